"""The stack of a stage: what there is, in the order in which a request and its webhook pass it."""

from aws_cdk import Aws, CfnOutput, Stack
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.cdk.alarms import alarms
from infra.cdk.dashboard import dashboard
from infra.cdk.deployment import Deployment
from infra.cdk.functions import functions
from infra.cdk.gateway import rest_api
from infra.cdk.grants import DELIVER, RELAY, SETTLE, SWEEP, Reach
from infra.cdk.measures import Measures
from infra.cdk.schedules import schedule_settlement, schedule_sweep, settlement_machine
from infra.cdk.table import ledger_table
from infra.cdk.webhooks import Way, connect_webhooks, webhook_way
from payments_sandbox.adapters.ssm_secrets import parameter_names


class PaymentsSandbox(Stack):
    """One stage of the sandbox. Its two secrets are in SSM, made by `payments-sandbox secrets`."""

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        super().__init__(
            scope,
            deployment.name,
            env=deployment.environment,
            description="A card-payments processor that moves no money",
            tags=deployment.tags,
            termination_protection=deployment.is_kept,
        )
        self.table = ledger_table(self, deployment)
        self.way = webhook_way(self, deployment)
        reach = _reach(deployment, self.table, self.way)
        self.functions = functions(self, deployment, reach)
        self.api = rest_api(self, deployment, self.functions.api)
        by_name = self.functions.by_name
        connect_webhooks(self, self.table, self.way, by_name[RELAY], by_name[DELIVER])
        schedule_sweep(self, deployment, by_name[SWEEP])
        self.machine = settlement_machine(self, deployment, by_name[SETTLE])
        schedule_settlement(self, deployment, self.machine)
        measures = Measures(
            deployment, self.api, self.functions, self.table, self.way, self.machine
        )
        dashboard(self, measures, alarms(self, deployment, measures))
        CfnOutput(self, "ApiUrl", value=self.api.url)
        CfnOutput(
            self,
            "KeyCommand",
            value=f"payments-sandbox keys create --stage {deployment.stage} MERCHANT",
        )
        CfnOutput(self, "SettlementMachine", value=self.machine.state_machine_arn)


def _reach(deployment: Deployment, table: dynamodb.CfnTable, way: Way) -> Reach:
    names = parameter_names(deployment.stage)
    parameters = f"arn:{Aws.PARTITION}:ssm:{Aws.REGION}:{Aws.ACCOUNT_ID}:parameter"
    return Reach(
        table_name=table.ref,
        table=table.attr_arn,
        stream=table.attr_stream_arn,
        topic=way.topic.topic_arn,
        deliveries=way.deliveries.queue_arn,
        unrelayed=way.unrelayed.queue_arn,
        identity_root=parameters + names.identity,
        webhook_roots=parameters + names.webhook,
    )
