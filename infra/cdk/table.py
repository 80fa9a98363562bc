"""The ledger's table, as `payments-sandbox aws create-table` makes it."""

from typing import Any, cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.cdk.deployment import Deployment
from payments_sandbox.adapters.dynamodb_table import EXPIRES_AT, table_definition
from payments_sandbox.entrypoints.stage import names_of


def ledger_table(scope: Construct, deployment: Deployment) -> dynamodb.CfnTable:
    """Return the stage's table, on demand and encrypted under DynamoDB's own key, which is free."""
    # Its types say that all of it may be missing.
    wanted = cast("dict[str, Any]", table_definition(names_of(deployment.stage).table))
    table = dynamodb.CfnTable(
        scope,
        "Ledger",
        table_name=wanted["TableName"],
        billing_mode=wanted["BillingMode"],
        attribute_definitions=[
            dynamodb.CfnTable.AttributeDefinitionProperty(
                attribute_name=one["AttributeName"], attribute_type=one["AttributeType"]
            )
            for one in wanted["AttributeDefinitions"]
        ],
        key_schema=_keys(wanted["KeySchema"]),
        global_secondary_indexes=[*map(_index, wanted["GlobalSecondaryIndexes"])],
        stream_specification=dynamodb.CfnTable.StreamSpecificationProperty(
            stream_view_type=wanted["StreamSpecification"]["StreamViewType"]
        ),
        time_to_live_specification=dynamodb.CfnTable.TimeToLiveSpecificationProperty(
            enabled=True, attribute_name=EXPIRES_AT
        ),
        deletion_protection_enabled=deployment.is_kept,
        point_in_time_recovery_specification=(
            dynamodb.CfnTable.PointInTimeRecoverySpecificationProperty(
                point_in_time_recovery_enabled=deployment.is_kept
            )
        ),
    )
    table.apply_removal_policy(
        RemovalPolicy.RETAIN if deployment.is_kept else RemovalPolicy.DESTROY
    )
    return table


def _index(wanted: dict[str, Any]) -> dynamodb.CfnTable.GlobalSecondaryIndexProperty:
    return dynamodb.CfnTable.GlobalSecondaryIndexProperty(
        index_name=wanted["IndexName"],
        key_schema=_keys(wanted["KeySchema"]),
        projection=dynamodb.CfnTable.ProjectionProperty(
            projection_type=wanted["Projection"]["ProjectionType"]
        ),
    )


def _keys(wanted: list[dict[str, str]]) -> list[dynamodb.CfnTable.KeySchemaProperty]:
    return [
        dynamodb.CfnTable.KeySchemaProperty(
            attribute_name=one["AttributeName"], key_type=one["KeyType"]
        )
        for one in wanted
    ]
