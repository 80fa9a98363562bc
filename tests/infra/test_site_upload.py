"""The site is published to what its template makes, and read as a reader would, on the emulator."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from infra.emulator import REGION, emulated
from infra.site_build import CONTENT_SECURITY_POLICY
from infra.site_upload import (
    CHECKED,
    KEPT,
    SiteRefused,
    check_built,
    empty,
    in_order,
    is_named,
    publish,
)
from infra.toolkit import prepare_site
from payments_sandbox.adapters.aws_clients import new_client
from tests.infra.templates import Synthesised

STAGE = "dev"
STACK = "payments-sandbox-dev-docs"
PAGES = {
    "index.html": "<h1>Start</h1>",
    "404.html": "<h1>Not found</h1>",
    "adr/0001-a.html": "<h1>Decided</h1>",
    "assets/main.0a1b2c3d.min.css": "h1 { color: red }",
    "reference/openapi.json": "{}",
}


class Hosted(NamedTuple):
    """A stack of the site in the emulator."""

    endpoint: str
    host: str
    bucket: str
    distribution: str

    def get(self, path: str, scheme: str = "https") -> httpx.Response:
        """Ask CloudFront, as it stands in the emulator, for a path of the site."""
        headers = {"host": self.host, "x-forwarded-proto": scheme}
        return httpx.get(self.endpoint + path, headers=headers)

    def keys(self) -> list[str]:
        """Return what is in the bucket."""
        found = new_client("s3").list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [one["Key"] for one in found]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """An emulator that every client in the test talks to."""
    with emulated() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "emulator")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "emulator")
        yield endpoint


@pytest.fixture
def hosted(environment: str, docs: Synthesised) -> Hosted:
    """The stack made of its template, as CloudFormation makes it."""
    formation = client("cloudformation")
    formation.create_stack(StackName=STACK, TemplateBody=json.dumps(emulated_template(docs)))
    formation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    (stack,) = formation.describe_stacks(StackName=STACK)["Stacks"]
    told = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    host = httpx.URL(told["SiteUrl"]).host
    return Hosted(environment, host, told["SiteBucket"], told["SiteDistribution"])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A small site."""
    for name, text in PAGES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.aws
def test_a_published_site_is_read(hosted: Hosted, site: Path) -> None:
    """Over https alone, each file as what it is, under all headers, and for as long as is right."""
    publish(STAGE, site)
    page, style = hosted.get("/"), hosted.get("/assets/main.0a1b2c3d.min.css")

    assert hosted.get("/index.html", "http").headers["location"].startswith("https://")
    assert (page.status_code, page.text) == (200, PAGES["index.html"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (page.headers["cache-control"], style.headers["cache-control"]) == (CHECKED, KEPT)
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert page.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert hosted.get("/adr/0001-a.html").text == PAGES["adr/0001-a.html"]


@pytest.mark.aws
def test_what_is_not_there_is_said_so(hosted: Hosted, site: Path) -> None:
    """A path without a file, and a folder, get the page for it, as a 404."""
    publish(STAGE, site)

    for path in ("/gone.html", "/adr/"):
        answer = hosted.get(path)
        assert (answer.status_code, answer.text) == (404, PAGES["404.html"])


@pytest.mark.aws
def test_publishing_again_leaves_nothing_old(hosted: Hosted, site: Path) -> None:
    """What the site no longer has is gone, and edges are told each time, of the same site too."""
    publish(STAGE, site)
    (site / "adr" / "0001-a.html").unlink()
    publish(STAGE, site)
    publish(STAGE, site)
    told = client("cloudfront").list_invalidations(DistributionId=hosted.distribution)

    assert hosted.keys() == sorted(set(PAGES) - {"adr/0001-a.html"})
    assert len(told["InvalidationList"]["Items"]) == 3


@pytest.mark.aws
def test_emptied_it_can_be_destroyed(hosted: Hosted, site: Path) -> None:
    """A full bucket would stay; afterwards nothing is left."""
    publish(STAGE, site)
    prepare_site(["destroy", "--all", "--force"], STAGE)

    assert hosted.keys() == []
    formation = client("cloudformation")
    formation.delete_stack(StackName=STACK)
    formation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    assert client("s3").list_buckets()["Buckets"] == []
    assert client("cloudfront").list_distributions()["DistributionList"].get("Items", []) == []


@pytest.mark.aws
@pytest.mark.usefixtures("environment")
def test_without_a_stack_nothing_is_published(site: Path) -> None:
    """It says so; to empty what is not there is no fault."""
    empty(STAGE)

    with pytest.raises(SiteRefused, match=STACK):
        publish(STAGE, site)


def test_pages_come_after_what_they_name(site: Path) -> None:
    """So that no reader gets a page whose style is not there yet."""
    assert [file.relative_to(site).as_posix() for file in in_order(site)] == [
        "assets/main.0a1b2c3d.min.css",
        "reference/openapi.json",
        "404.html",
        "adr/0001-a.html",
        "index.html",
    ]


def test_a_destruction_that_asks_keeps_the_site() -> None:
    """The site would be gone before the answer."""
    with pytest.raises(SiteRefused, match="--force"):
        prepare_site(["destroy", "--all"], STAGE)


def test_a_site_that_is_not_built_is_not_published(tmp_path: Path) -> None:
    """Nor one with a file that nobody knows the type of."""
    with pytest.raises(SiteRefused, match="make docs"):
        check_built(tmp_path)

    (tmp_path / "index.html").touch()
    check_built(tmp_path)
    (tmp_path / "movie.mp4").touch()
    with pytest.raises(SiteRefused, match=r"movie\.mp4"):
        check_built(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["deploy", "--all"], True),
        (["deploy", STACK], True),
        (["deploy", "payments-sandbox-dev*"], True),
        (["deploy", "payments-sandbox-dev"], False),
        (["deploy", "payments-sandbox-prod-docs"], False),
    ],
    ids=["all", "its name", "a pattern", "the stage alone", "another stage"],
)
def test_the_site_is_touched_when_it_is_named(
    arguments: list[str],
    expected: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    """As the CDK's command line understands names."""
    assert is_named(arguments, STAGE) is expected


def emulated_template(docs: Synthesised) -> Any:
    """Return the template without what the emulator cannot have."""
    template = json.loads(json.dumps(docs.template))
    # They ask for the CDK's own stack.
    del template["Parameters"], template["Rules"]
    for one in template["Resources"].values():
        if one["Type"] == "AWS::S3::BucketPolicy":
            # Its edges read the bucket in the same process, which it takes for http.
            policy = one["Properties"]["PolicyDocument"]
            policy["Statement"] = [part for part in policy["Statement"] if part["Effect"] != "Deny"]
    return template


def client(service: str) -> Any:
    """Return a client of the emulator's, that waits longer than ours do."""
    return new_client(service, read_timeout_s=30)
