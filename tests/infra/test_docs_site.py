"""What the template of the documentation says: who reads it, by what way, under what rules."""

from pathlib import Path
from typing import Any

import pytest

from infra.cdk import deployment
from infra.cdk.app import app_of
from infra.cdk.deployment import EMULATOR_ACCOUNT
from infra.site_build import CONTENT_SECURITY_POLICY
from tests.infra.templates import Synthesised


def config(docs: Synthesised) -> Any:
    """Return how CloudFront is set up."""
    return docs.one("CloudFront::Distribution")["DistributionConfig"]


def statements(docs: Synthesised, effect: str) -> list[Any]:
    """Return what the bucket's policy allows or denies."""
    policy = docs.one("S3::BucketPolicy")["PolicyDocument"]["Statement"]
    return [one for one in policy if one["Effect"] == effect]


def test_the_bucket_is_private_and_encrypted(docs: Synthesised) -> None:
    """Nothing of it is public, by policy or by list; S3 encrypts it under its own key."""
    bucket = docs.one("S3::Bucket")

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_only_this_distribution_reads_the_bucket(docs: Synthesised) -> None:
    """CloudFront may get objects for it alone, signed; nobody else may anything."""
    (allowed,) = statements(docs, "Allow")
    (origin,) = config(docs)["Origins"]
    control = docs.one("CloudFront::OriginAccessControl")["OriginAccessControlConfig"]

    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    assert docs.resource(allowed["Resource"]) == "S3::Bucket Site/*"
    assert docs.resource(allowed["Condition"]["StringEquals"]["AWS:SourceArn"]) == (
        "arn:partition:cloudfront::accountid:distribution/CloudFront::Distribution Distribution"
    )
    assert docs.resource(origin["OriginAccessControlId"]).startswith("CloudFront::OriginAccess")
    assert docs.resource(origin["DomainName"]) == "S3::Bucket Site"
    assert (control["SigningBehavior"], control["SigningProtocol"]) == ("always", "sigv4")


def test_nothing_travels_in_the_clear(docs: Synthesised) -> None:
    """Readers are led to https; the bucket refuses http, and TLS before 1.2, from all."""
    refused = [one["Condition"] for one in statements(docs, "Deny")]

    assert config(docs)["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"
    assert "CacheBehaviors" not in config(docs)
    assert refused == [
        {"Bool": {"aws:SecureTransport": "false"}},
        {"NumericLessThan": {"s3:TlsVersion": 1.2}},
    ]


def test_every_answer_bears_the_headers(docs: Synthesised) -> None:
    """Whatever the bucket says, and with the policy that the site is built and tested for."""
    used = config(docs)["DefaultCacheBehavior"]["ResponseHeadersPolicyId"]
    headers = docs.one("CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]

    assert docs.resource(used) == "CloudFront::ResponseHeadersPolicy Headers"
    assert headers["SecurityHeadersConfig"] == {
        "ContentSecurityPolicy": {
            "ContentSecurityPolicy": CONTENT_SECURITY_POLICY,
            "Override": True,
        },
        "ContentTypeOptions": {"Override": True},
        "FrameOptions": {"FrameOption": "DENY", "Override": True},
        "ReferrerPolicy": {"ReferrerPolicy": "no-referrer", "Override": True},
        "StrictTransportSecurity": {
            "AccessControlMaxAgeSec": 2 * 365 * 24 * 3600,
            "IncludeSubdomains": True,
            "Override": True,
        },
    }


def test_its_names_in_the_account_are_the_region_s(docs: Synthesised) -> None:
    """CloudFront's names are an account's, which may have the same stage in two regions."""
    access = docs.one("CloudFront::OriginAccessControl")["OriginAccessControlConfig"]
    headers = docs.one("CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]

    names = {docs.resource(one["Name"]) for one in (access, headers)}
    assert names == {"payments-sandbox-dev-docs-region"}


def test_what_is_not_there_is_a_404(docs: Synthesised) -> None:
    """S3 says 403 to who may not list; a reader gets the page for it, and for a minute only."""
    answers = {one.pop("ErrorCode"): one for one in map(dict, config(docs)["CustomErrorResponses"])}
    expected = {"ResponseCode": 404, "ResponsePagePath": "/404.html", "ErrorCachingMinTTL": 60}

    assert answers == {403: expected, 404: expected}
    assert config(docs)["DefaultRootObject"] == "index.html"


def test_it_costs_little_and_nothing_runs(docs: Synthesised) -> None:
    """The cheapest edges, and no function, no role and no log that anything needs."""
    kinds = {one["Type"].removeprefix("AWS::") for one in docs.template["Resources"].values()}

    assert config(docs)["PriceClass"] == "PriceClass_100"
    assert kinds == {
        "S3::Bucket",
        "S3::BucketPolicy",
        "CloudFront::Distribution",
        "CloudFront::OriginAccessControl",
        "CloudFront::ResponseHeadersPolicy",
    }


def test_it_goes_without_a_rest(
    dev_stacks: dict[str, Synthesised], prod_stacks: dict[str, Synthesised]
) -> None:
    """Of prod too: what is in it can be built again."""
    for stage, stacks in (("dev", dev_stacks), ("prod", prod_stacks)):
        resources = stacks[f"payments-sandbox-{stage}-docs"].template["Resources"].values()
        assert {one.get("DeletionPolicy", "Delete") for one in resources} == {"Delete"}


def test_every_stack_bears_the_stage_s_tags(dev_stacks: dict[str, Synthesised]) -> None:
    """So that a bill can be read by application and stage."""
    expected = {"application": "payments-sandbox", "stage": "dev"}

    assert [dict(one.tags) for one in dev_stacks.values()] == [expected] * 3


def test_the_site_comes_last(dev_stacks: dict[str, Synthesised]) -> None:
    """A new account may be refused it, or the budget before it; the stage is there by then."""
    stage = "payments-sandbox-dev"
    after = {name.removeprefix(stage): one.after for name, one in dev_stacks.items()}

    assert after == {"": set(), "-cost-guard": {stage}, "-docs": {f"{stage}-cost-guard"}}


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize(
    ("target", "expected"),
    [("emulator", {""}), ("aws", {"", "-docs", "-cost-guard"})],
)
def test_the_emulator_gets_the_stage_alone(
    target: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no budgets, and nobody reads the documentation there."""
    for bundle in ("bundle-host", "bundle-lambda"):
        (tmp_path / "dist" / bundle).mkdir(parents=True)
    monkeypatch.setattr(deployment, "ROOT", tmp_path)
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", EMULATOR_ACCOUNT)

    app = app_of({"target": target, "stage": "dev"}, str(tmp_path / "out"))

    stacks = {one.node.id for one in app.node.children if one.node.id.startswith("payments")}
    assert stacks == {f"payments-sandbox-dev{one}" for one in expected}
