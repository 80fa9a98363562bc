"""The REST API before the function: who may enter, how often, and what is noted of it.

`GET /health` is open; all else wants a key, the reference at `/docs` too: a page that anybody could
open would have strangers run the function, and the written documentation is hosted without it.
The app checks sizes, media types and bodies itself and answers all that is wrong in its own words,
as it does locally, so the gateway has no models to check against.
"""

import json
from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.cdk.deployment import Deployment
from infra.cdk.functions import log_group
from infra.cdk.refusals import answer_in_own_words
from payments_sandbox.entrypoints.stage import names_of

RATE_PER_S: Final = 100 / 60
BURST: Final = 10
"""A key's bucket: what it holds comes on top of the rate, so at most 110 in a first minute."""
OPEN_RATE_PER_S, OPEN_BURST = 0.2, 10
"""For all who `GET /health`, which wants no key, together: 5 USD in a month of abuse at most."""
ALL_RATE_PER_S, ALL_BURST = 100, 200
"""For all keys together: sixty of them at their rate."""
# No path and no address: a path may hold anything, a template what we wrote.
_NOTED: Final = {
    "request_id": "$context.requestId",
    "at": "$context.requestTime",
    "api_key_id": "$context.identity.apiKeyId",
    "method": "$context.httpMethod",
    "resource": "$context.resourcePath",
    "status": "$context.status",
    "refusal": "$context.error.responseType",
    "latency_ms": "$context.responseLatency",
    "function_latency_ms": "$context.integrationLatency",
}


def rest_api(
    scope: Construct, deployment: Deployment, function: lambda_.Alias
) -> apigateway.RestApi:
    """Return the API with its usage plan, which `payments-sandbox keys` links keys to."""
    api = apigateway.RestApi(
        scope,
        "Gateway",
        rest_api_name=deployment.name,
        endpoint_types=[apigateway.EndpointType.REGIONAL],
        deploy_options=_stage(scope, deployment),
        # So that a body which is not UTF-8 arrives as it was sent, and is refused.
        binary_media_types=["*/*"],
        # The role by which gateways log is the account's, for all its APIs: it stays.
        cloud_watch_role=True,
        cloud_watch_role_removal_policy=(
            RemovalPolicy.DESTROY if deployment.is_emulated else RemovalPolicy.RETAIN
        ),
    )
    # It would be an output that says less than ours.
    api.node.try_remove_child("Endpoint")
    to_function = apigateway.LambdaIntegration(
        function,  # pyright: ignore[reportArgumentType] - jsii names parameters anew
        allow_test_invoke=False,
    )
    health = api.root.add_resource("health")
    # A method of its own: at a stage, no rate can be given to `ANY`.
    health.add_method("GET", to_function, api_key_required=False)
    for resource in (health, api.root.add_resource("{proxy+}")):
        resource.add_method("ANY", to_function, api_key_required=True)
    answer_in_own_words(api)
    api.add_usage_plan(
        "UsagePlan",
        name=names_of(deployment.stage).usage_plan,
        throttle=apigateway.ThrottleSettings(rate_limit=RATE_PER_S, burst_limit=BURST),
        api_stages=[apigateway.UsagePlanPerApiStage(stage=api.deployment_stage)],
    )
    return api


def _stage(scope: Construct, deployment: Deployment) -> apigateway.StageOptions:
    log = log_group(scope, "Access", f"/aws/apigateway/{deployment.name}")
    return apigateway.StageOptions(
        stage_name=deployment.stage,
        tracing_enabled=True,
        access_log_destination=apigateway.LogGroupLogDestination(log),
        access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_NOTED)),
        throttling_rate_limit=ALL_RATE_PER_S,
        throttling_burst_limit=ALL_BURST,
        method_options={
            "/health/GET": apigateway.MethodDeploymentOptions(
                throttling_rate_limit=OPEN_RATE_PER_S, throttling_burst_limit=OPEN_BURST
            )
        },
    )
