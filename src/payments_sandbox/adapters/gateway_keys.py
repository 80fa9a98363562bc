"""API keys at an API Gateway, linked to the usage plan that holds their rate."""

from typing import TYPE_CHECKING

from payments_sandbox.adapters.aws_clients import new_client

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient

READ_TIMEOUT_S = 15.0


class UsagePlanMissing(Exception):
    """The usage plan is not there: the stage is not deployed, or not in this account and region."""


def apigateway_client(endpoint: str | None = None, region: str | None = None) -> "APIGatewayClient":
    """Return a client; None leaves a choice to the environment."""
    client: APIGatewayClient = new_client(
        "apigateway", endpoint, region, read_timeout_s=READ_TIMEOUT_S
    )
    return client


class GatewayKeys:
    """The keys of one usage plan."""

    def __init__(self, client: "APIGatewayClient", usage_plan: str) -> None:
        self._client = client
        self._usage_plan_id = self._find(usage_plan)

    def create(self, name: str, api_key: str) -> str:
        """Make a key that opens nothing yet; return the id it has at the gateway."""
        answer = self._client.create_api_key(
            name=name, description="Payments Sandbox", value=api_key, enabled=True
        )
        return answer["id"]

    def link(self, key_id: str) -> None:
        """Let the key in, at the usage plan's rate."""
        self._client.create_usage_plan_key(
            usagePlanId=self._usage_plan_id, keyId=key_id, keyType="API_KEY"
        )

    def delete(self, key_id: str) -> None:
        """Delete the key; one that is gone already is fine."""
        try:
            self._client.delete_api_key(apiKey=key_id)
        except self._client.exceptions.NotFoundException:
            return

    def _find(self, name: str) -> str:
        for page in self._client.get_paginator("get_usage_plans").paginate():
            for plan in page["items"]:
                if plan.get("name") == name and "id" in plan:
                    return plan["id"]
        raise UsagePlanMissing(f"there is no usage plan {name!r} in this account and region")
