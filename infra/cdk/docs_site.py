"""The stack of the documentation's site: a private bucket, and CloudFront before it.

It has no function: `infra.site_upload` fills the bucket after a deployment, and empties it before
the stack goes. Links name files, so nothing has to look for an index in a folder.

With CloudFront's own certificate the oldest TLS a viewer may speak is CloudFront's to say, and it
says 1.0; 1.2 can be asked for only with a domain and a certificate of one's own.
"""

from typing import Final

from aws_cdk import Aws, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.cdk.deployment import Deployment
from infra.site_build import CONTENT_SECURITY_POLICY
from infra.site_upload import BUCKET_OUTPUT, DISTRIBUTION_OUTPUT, URL_OUTPUT, stack_name

TO_BUCKET_TLS: Final = 1.2
# Two years, as browsers' lists ask for; the host is this site's alone.
HTTPS_ONLY: Final = Duration.days(730)
# S3 refuses to say what is not there to those who may not list it: 403 is its 404.
NOT_THERE: Final = (403, 404)
NOT_THERE_FOR: Final = Duration.minutes(1)


class DocsSite(Stack):
    """A stage's documentation, on an address that CloudFront chooses."""

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        super().__init__(
            scope,
            stack_name(deployment.stage),
            env=deployment.environment,
            description="The documentation of the payments sandbox",
            tags=deployment.tags,
        )
        # CloudFront has names of a whole account, which may have the stage in two regions.
        name = f"{self.stack_name}-{Aws.REGION}"
        bucket = _bucket(self)
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=self.stack_name,
            default_root_object="index.html",
            default_behavior=cloudfront.BehaviorOptions(
                origin=_origin(self, bucket, name),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                # As long as each file says itself.
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                response_headers_policy=_headers(self, name),
            ),
            error_responses=[
                cloudfront.ErrorResponse(
                    http_status=status,
                    response_http_status=404,
                    response_page_path="/404.html",
                    ttl=NOT_THERE_FOR,
                )
                for status in NOT_THERE
            ],
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            # North America and Europe, the cheapest; others are served from there.
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
        )
        CfnOutput(self, BUCKET_OUTPUT, value=bucket.bucket_name)
        CfnOutput(self, DISTRIBUTION_OUTPUT, value=distribution.distribution_id)
        CfnOutput(self, URL_OUTPUT, value=f"https://{distribution.distribution_domain_name}/")


def _bucket(scope: Construct) -> s3.Bucket:
    """Return a bucket for what `make docs` can make again: nothing of it is kept."""
    return s3.Bucket(
        scope,
        "Site",
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=TO_BUCKET_TLS,
        removal_policy=RemovalPolicy.DESTROY,
    )


def _origin(scope: Construct, bucket: s3.Bucket, name: str) -> cloudfront.IOrigin:
    """Return the bucket as what this distribution alone reads."""
    access = cloudfront.S3OriginAccessControl(scope, "Access", origin_access_control_name=name)
    return origins.S3BucketOrigin.with_origin_access_control(
        bucket,  # pyright: ignore[reportArgumentType] - jsii names parameters anew
        origin_access_control=access,  # pyright: ignore[reportArgumentType] - jsii names parameters anew
    )


def _headers(scope: Construct, name: str) -> cloudfront.ResponseHeadersPolicy:
    return cloudfront.ResponseHeadersPolicy(
        scope,
        "Headers",
        response_headers_policy_name=name,
        security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
            content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                content_security_policy=CONTENT_SECURITY_POLICY, override=True
            ),
            content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
            frame_options=cloudfront.ResponseHeadersFrameOptions(
                frame_option=cloudfront.HeadersFrameOption.DENY, override=True
            ),
            referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
            ),
            strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                access_control_max_age=HTTPS_ONLY, include_subdomains=True, override=True
            ),
        ),
    )
