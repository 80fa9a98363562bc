"""A stage at the emulator: its gateway with a usage plan, its table, and what both hold."""

from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table, create_table
from payments_sandbox.adapters.gateway_keys import GatewayKeys
from payments_sandbox.entrypoints.stage import StageKeys, names_of
from tests.aws.served import Ran, dynamodb_at, program
from tests.emulator import client

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient
    from types_boto3_dynamodb import DynamoDBClient

_NUMBERS = count()


@dataclass(frozen=True)
class Staged:
    """A stage that is deployed."""

    name: str
    endpoint: str
    gateway: "APIGatewayClient"
    dynamodb: "DynamoDBClient"
    plan_id: str

    @property
    def table(self) -> str:
        """The name of its table."""
        return names_of(self.name).table

    def run(self, *arguments: str) -> Ran:
        """Run a command of the program on the stage."""
        return program(*arguments, "--stage", self.name, env={"AWS_ENDPOINT_URL": self.endpoint})

    @property
    def merchant(self) -> str:
        """A merchant that no other stage has: the emulator's gateway is one for all."""
        return f"shop-{self.name}"

    def gateway_keys(self) -> dict[str, Any]:
        """Return the merchant's keys at the gateway by their ids."""
        found = self.gateway.get_api_keys(includeValues=True, limit=500)["items"]
        mine = [one for one in found if one.get("name", "").startswith(f"{self.merchant}/")]
        return {one.get("id", ""): one for one in mine}

    def let_in(self) -> set[str]:
        """Return the ids of the keys that are there and that the usage plan lets in."""
        found = self.gateway.get_usage_plan_keys(usagePlanId=self.plan_id)
        return {one.get("id", "") for one in found["items"]} & self.gateway_keys().keys()

    def items(self) -> list[Any]:
        """Return all that the table holds."""
        return self.dynamodb.scan(TableName=self.table, ConsistentRead=True)["Items"]

    def merchants_by(self, key: str) -> list[str]:
        """Return whom a key leads to, if anybody: its id at the gateway, or its hash."""
        return [
            one["merchant_id"]["S"]
            for one in self.items()
            if one["transaction_id"]["S"] == f"key#{key}"
        ]


@cache
def gateway_at(endpoint: str) -> "APIGatewayClient":
    """Return the one client of an endpoint."""
    return client("apigateway", endpoint, retries={"total_max_attempts": 1})


def deployed(endpoint: str) -> Staged:
    """Make a stage as its deployment does: API, usage plan and table."""
    name = f"keys-{next(_NUMBERS)}"
    gateway, dynamodb = gateway_at(endpoint), dynamodb_at(endpoint)
    api = gateway.create_rest_api(name=f"payments-sandbox-{name}")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0].get("id", "")
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=api, stageName=name)
    plan = gateway.create_usage_plan(
        name=names_of(name).usage_plan,
        apiStages=[{"apiId": api, "stage": name}],
        throttle={"rateLimit": 10, "burstLimit": 20},
    )
    create_table(dynamodb, names_of(name).table)
    return Staged(name, endpoint, gateway, dynamodb, plan["id"])


def keys_of(staged: Staged) -> StageKeys:
    """Return the use cases as the program has them, over clients that a test may hurt."""
    merchants = DynamoMerchants(Table(staged.dynamodb, staged.table))
    return StageKeys(merchants, GatewayKeys(staged.gateway, names_of(staged.name).usage_plan))
