"""Tries a deployed stage, as a client would: `make smoke STAGE=dev [URL=] [API_KEY=]`.

Makes a key of its own and revokes it, prints a line for each check and ends at the first that
fails. A key that is given is read from the environment, where no list of processes shows it.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from infra.account import Refused, account_in_use, check_stage, said_of
from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.gateway_keys import UsagePlanMissing
from payments_sandbox.entrypoints.stage import stage_keys

MERCHANT: Final = "smoke"
ACTIVE_WITHIN_S: Final = 60.0
"""API Gateway lets a new key in after some seconds, at times after half a minute."""
TRIES_EACH_S: Final = 2.0
TIMEOUT_S: Final = 30.0
"""As long as the gateway waits for the function, and a moment more."""
UNAUTHORIZED: Final = 401
NOT_LET_IN: Final = {UNAUTHORIZED, 403}
"""What a key gets that is not active yet: our refusal, or the gateway's own at first."""
AUTHORIZE: Final = {
    "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035, "cvc": "123"},
    "amount": 1000,
    "currency": "USD",
    "reference": "smoke",
}


class CheckFailed(Exception):
    """The stage does not do what it should; the message says what it did instead."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def field(self, name: str) -> Any:  # noqa: ANN401 - JSON may be anything
        """Return a field of the body, None if it has none."""
        try:
            return json.loads(self.body).get(name)
        except (ValueError, AttributeError):
            return None

    def check(self, what: str, wanted: set[int]) -> None:
        """Print that it is as wanted; raise CheckFailed."""
        if self.status not in wanted:
            statuses = " or ".join(map(str, sorted(wanted)))
            code = self.field("code") or "no problem of the sandbox"
            raise CheckFailed(f"{what}: {self.status} ({code}) instead of {statuses}")
        _say(what)


class Stage(NamedTuple):
    """Where a stage answers, and the key it lets in."""

    url: str
    api_key: str | None = None

    def call(self, method: str, path: str, body: object = None, key: str = "") -> Answer:
        """Return the answer; raise CheckFailed if there is none."""
        place = urlsplit(self.url)
        connect = HTTPSConnection if place.scheme == "https" else HTTPConnection
        headers = {"content-type": "application/json", "user-agent": "payments-sandbox-smoke"}
        headers |= {"x-api-key": self.api_key} if self.api_key else {}
        headers |= {"x-idempotency-key": key} if key else {}
        sent = None if body is None else json.dumps(body)
        try:
            connection = connect(place.netloc, timeout=TIMEOUT_S)
            connection.request(method, f"{place.path.rstrip('/')}/{path}", sent, headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())
        except (OSError, HTTPException) as error:
            raise CheckFailed(f"{self.url} does not answer: {type(error).__name__}") from None


def check_stage_works(url: str, api_key: str, *, active_within_s: float = ACTIVE_WITHIN_S) -> None:
    """Run a payment through the stage; raise CheckFailed."""
    anybody, client = Stage(url), Stage(url, api_key)
    anybody.call("GET", "health").check("health is open", {200})
    anybody.call("GET", "payments").check("without a key it is refused", {UNAUTHORIZED})
    _first_let_in(client, active_within_s).check("the key is let in", {200})

    run = f"smoke-{time.time_ns()}"
    authorized = client.call("POST", "payments/authorize", AUTHORIZE, f"{run}-authorize")
    authorized.check("a payment is authorized", {201})
    again = client.call("POST", "payments/authorize", AUTHORIZE, f"{run}-authorize")
    again.check("the same request is answered again", {201})
    is_replay = again.headers.get("idempotent-replayed") == "true"
    _expect("by the same bytes", is_replay and again.body == authorized.body)
    auth_id = authorized.field("auth_id")
    captured = client.call("POST", "payments/capture", {"auth_id": auth_id}, f"{run}-capture")
    captured.check("it is captured", {201})
    payment = client.call("GET", f"payments/{auth_id}")
    payment.check("it can be read", {200})
    _expect("and shows the capture", payment.field("captured_amount") == AUTHORIZE["amount"])


def url_of(stage: str) -> str:
    """Return where the stage's stack says that it answers; raise Refused."""
    name = f"payments-sandbox-{stage}"
    try:
        (stack,) = new_client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # CloudFormation has no code of its own for a stack that is not there.
        if "does not exist" not in str(error):
            raise
        raise Refused(
            f"There is no stack {name} in this account and region: make deploy STAGE={stage},"
            " or say where it is by URL="
        ) from None
    told = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    return told["ApiUrl"]


def _first_let_in(client: Stage, within_s: float) -> Answer:
    """Return the first answer that is no refusal of the key, or the last one in time."""
    deadline = time.monotonic() + within_s
    while True:
        answer = client.call("GET", "payments")
        if answer.status not in NOT_LET_IN or time.monotonic() + TRIES_EACH_S > deadline:
            return answer
        time.sleep(TRIES_EACH_S)


def _expect(what: str, is_so: bool) -> None:  # noqa: FBT001 - read as a sentence
    if not is_so:
        raise CheckFailed(f"{what}: it is not so")
    _say(what)


def _say(what: str) -> None:
    sys.stdout.write(f"ok  {what}\n")
    sys.stdout.flush()


@contextmanager
def _key_of_our_own(stage: str) -> Generator[str]:
    """Yield a key that is revoked at the end of the block."""

    async def make() -> tuple[str, str]:
        async with stage_keys(stage) as keys:
            key, api_key = await keys.create_key(MERCHANT)
            return key.key_id, api_key

    async def revoke() -> None:
        async with stage_keys(stage) as keys:
            await keys.revoke_key(MERCHANT, key_id)

    key_id, api_key = asyncio.run(make())
    try:
        yield api_key
    finally:
        asyncio.run(revoke())
        _say("its key is revoked")


def _smoke(stage: str, url: str | None, api_key: str | None, active_within_s: float) -> None:
    check_stage(stage)
    if not (url and api_key):
        account_in_use()
    url = url or url_of(stage)
    sys.stdout.write(f"Trying {url}\n")
    if api_key:
        check_stage_works(url, api_key, active_within_s=active_within_s)
        return
    with _key_of_our_own(stage) as made:
        check_stage_works(url, made, active_within_s=active_within_s)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--url", help="where it answers, if not where its stack says")
    parser.add_argument("--active-within-s", type=float, default=ACTIVE_WITHIN_S)
    asked = parser.parse_args()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    try:
        _smoke(asked.stage, asked.url, os.environ.get("API_KEY"), asked.active_within_s)
    except CheckFailed as failed:
        sys.exit(f"FAILED  {failed}")
    except (Refused, UsagePlanMissing) as refused:
        sys.exit(str(refused))
    except (ClientError, BotoCoreError) as error:
        sys.exit(said_of(error))


if __name__ == "__main__":
    main()
