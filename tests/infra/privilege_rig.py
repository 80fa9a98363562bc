"""A stage where IAM is enforced: its functions as they are deployed, and what each may do."""

import asyncio
import base64
import json
import os
import re
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import httpx
from botocore.session import Session

from infra.bundle import archive
from infra.cdk.deployment import EMULATOR_ACCOUNT
from infra.emulator import REGION
from infra.receiver import Receiver
from infra.toolkit import build_bundle
from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.ssm_secrets import init_roots, ssm_client
from payments_sandbox.entrypoints.stage import stage_keys
from tests.gateway import response_of, rest_event
from tests.infra.templates import HASH, synthesised

STAGE, MERCHANT = "dev", "shop"
NAME: Final = f"payments-sandbox-{STAGE}"
# The emulator asks for a right of its own where IAM knows only the first.
ASKED_HERE: Final = {"sns:Publish": ("sns:Publish", "sns:PublishBatch")}
_COMPLAINT: Final = re.compile(r'.*"level": ?"(?:WARNING|ERROR|CRITICAL)".*')
_BUCKET: Final = f"cdk-hnb659fds-assets-000000000000-{REGION}"
_TEMPLATE: Final = "template.json"
_numbers = count()


class Failed(Exception):
    """The function did not do its work; the message says what is known of it."""


class Grant(NamedTuple):
    """One action on one resource."""

    action: str
    resource: str


@dataclass
class Stage:
    """A deployed stage with a key, and what each of its roles was granted."""

    endpoint: str
    receiver: Receiver
    key_id: str
    api_key: str
    machine: str
    """The ARN of the state machine."""
    roles: dict[str, str]
    """What they are called, by their names in the stack."""
    granted: dict[str, list[Grant]] = field(default_factory=dict[str, list[Grant]])

    def __post_init__(self) -> None:
        self._iam, self._functions = self.client("iam"), self.client("lambda")
        for role in self.roles:
            self.granted[role] = self._granted_by_the_stack(role)
            self._allow(role, self.granted[role])

    def client(self, service: str) -> Any:
        """Return a client that may do everything."""
        return new_client(service, self.endpoint, REGION, read_timeout_s=60)

    def _granted_by_the_stack(self, role: str) -> list[Grant]:
        """Return its grants one by one, in their order."""
        policy = self._iam.get_role_policy(RoleName=self.roles[role], PolicyName="grants")
        return [
            Grant(action, resource)
            for statement in policy["PolicyDocument"]["Statement"]
            for action in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
        ]

    @contextmanager
    def without(self, role: str, dropped: Collection[Grant]) -> Generator[None]:
        """Take grants from the role until the block ends."""
        self._allow(role, [one for one in self.granted[role] if one not in dropped])
        try:
            yield
        finally:
            self._allow(role, self.granted[role])

    def _allow(self, role: str, grants: Sequence[Grant]) -> None:
        policy = {"RoleName": self.roles[role], "PolicyName": "grants"}
        if not grants:  # IAM takes no empty policy
            self._iam.delete_role_policy(**policy)
            return
        statements = [
            {
                "Effect": "Allow",
                "Action": ASKED_HERE.get(one.action, one.action),
                "Resource": one.resource,
            }
            for one in grants
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._iam.put_role_policy(**policy, PolicyDocument=document)

    def acting(self, role: str, service: str) -> Any:
        """Return a client that may do what the role may."""
        assumed = self.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{EMULATOR_ACCOUNT}:role/{self.roles[role]}",
            RoleSessionName="test",
        )["Credentials"]
        return Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
        )

    def forget(self, function: str) -> None:
        """Have the next invocation start anew: what was read is kept for minutes."""
        name = f"{NAME}-{function}"
        kept = self._functions.get_function_configuration(FunctionName=name)["Environment"]
        self._functions.update_function_configuration(FunctionName=name, Environment=kept)

    def invoke(self, function: str, event: object) -> Any:
        """Return what a function answers; raise Failed if it fails, or complains in its log."""
        answer = self._functions.invoke(
            FunctionName=f"{NAME}-{function}", Payload=json.dumps(event), LogType="Tail"
        )
        payload = json.load(answer["Payload"])
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        complaint = _COMPLAINT.search(log)
        if "FunctionError" in answer or complaint is not None:
            raise Failed(complaint[0] if complaint else payload)
        return payload

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return what the API's function answers a request of the merchant's; raise Failed."""
        headers = {"x-api-key": self.api_key, "x-idempotency-key": f"k{next(_numbers)}"}
        request = httpx.Request(method, f"http://api.test/{path}", headers=headers, json=body)
        event = rest_event(request, {self.api_key: self.key_id}, next(_numbers))
        answer = response_of(self.invoke("api", event))
        if not answer.is_success:
            raise Failed(f"{method} {path}: {answer.text}")
        return answer.json() if answer.content else None


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def deployed(endpoint: str, folder: Path, receiver: Receiver) -> Stage:
    """Deploy a stage without the toolkit, whose uploads the bucket of its bootstrap refuses here.

    It refuses what is not encrypted on its way, and no emulator on loopback is asked that way.
    """
    build_bundle(is_emulated=True)
    context = {"stage": STAGE, "target": "emulator", "receiver": f"127.0.0.1:{receiver.port}"}
    template = synthesised(folder, **context)[NAME].template
    with patch.dict(os.environ, AWS_ENDPOINT_URL=endpoint):
        _upload(folder, template)
        init_roots(ssm_client(), STAGE)
        stack = new_client("cloudformation", read_timeout_s=60)
        stack.create_stack(
            StackName=NAME,
            TemplateURL=f"{endpoint}/{_BUCKET}/{_TEMPLATE}",  # too long for a request
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        stack.get_waiter("stack_create_complete").wait(
            StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        (told,) = stack.describe_stacks(StackName=NAME)["Stacks"]
        resources = stack.describe_stack_resources(StackName=NAME)["StackResources"]
        key_id, api_key = asyncio.run(_new_key())
    outputs = {one["OutputKey"]: one["OutputValue"] for one in told["Outputs"]}
    roles = {
        HASH.sub("", one["LogicalResourceId"]): one["PhysicalResourceId"]
        for one in resources
        if one["ResourceType"] == "AWS::IAM::Role"
    }
    del roles["GatewayCloudWatchRole"]  # the account's, with a policy of AWS's own
    return Stage(endpoint, receiver, key_id, api_key, outputs["SettlementMachine"], roles)


def _upload(folder: Path, template: Mapping[str, Any]) -> None:
    """Put the template there, and the functions' code where it says that is."""
    assets = json.loads((folder / f"{NAME}.assets.json").read_text())["files"]
    store = new_client("s3", read_timeout_s=60)
    store.create_bucket(Bucket=_BUCKET)
    for name, one in assets.items():
        if one["source"]["packaging"] == "zip":
            file = folder / f"{name}.zip"
            archive(folder / one["source"]["path"], file)
            store.put_object(Bucket=_BUCKET, Key=file.name, Body=file.read_bytes())
    store.put_object(Bucket=_BUCKET, Key=_TEMPLATE, Body=json.dumps(template).encode())
    version = "/cdk-bootstrap/hnb659fds/version"
    ssm_client().put_parameter(Name=version, Value="30", Type="String")


async def _new_key() -> tuple[str, str]:
    async with stage_keys(STAGE) as keys:
        key, api_key = await keys.create_key(MERCHANT)
        return key.key_id, api_key
