"""Where the functions' webhooks may go, as their environment tells and the API holds it."""

import json
from collections.abc import Iterator

import httpx
import pytest

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.destination import DestinationPolicy, fault_in
from payments_sandbox.entrypoints.api_function import ApiFunction
from payments_sandbox.entrypoints.cloud_policy import ReceiverRefused, policy_from
from tests.aws.function_rig import JSON, KEYED, Rig, event_of, function_at
from tests.gateway import Handler
from tests.unit.stand_ins import SECRETS

pytestmark = pytest.mark.aws

RECEIVER = "127.0.0.1:3000"
HERE = ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566", "http://127.9.9.9"]
ELSEWHERE = [
    None,
    "",
    "http://",
    "127.0.0.1:4566",
    "https://dynamodb.us-east-1.amazonaws.com",
    "http://10.0.0.1:4566",
    "http://localhost.example:4566",
    "http://127.0.0.1.example:4566",
    "http://127.0.0.1@example.com:4566",
    "http://emulator:4566",
    "http://0.0.0.0:4566",
]
REFUSED = [
    "http://example.com/hooks",
    "http://127.0.0.1:3000/hooks",
    "https://127.0.0.1/hooks",
    "https://localhost/hooks",
    "https://10.0.0.1/hooks",
    "https://172.16.0.1/hooks",
    "https://192.168.1.1/hooks",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/hooks",
    "https://[::ffff:10.0.0.1]/hooks",
    "https://2130706433/hooks",
]


@pytest.mark.parametrize("endpoint", HERE)
def test_a_receiver_beside_an_emulator(endpoint: str) -> None:
    """With an emulator on this machine webhooks may go to the one receiver here, no further."""
    policy = policy_from({"WEBHOOK_RECEIVER": RECEIVER, "AWS_ENDPOINT_URL": endpoint})

    assert DestinationPolicy(exception=("127.0.0.1", 3000)) == policy
    assert fault_in("http://127.0.0.1:3000/hooks", policy) is None
    assert fault_in("http://127.0.0.1:3001/hooks", policy) is not None
    assert all(fault_in(url, policy) for url in REFUSED if ":3000" not in url)


@pytest.mark.parametrize("endpoint", ELSEWHERE)
def test_a_receiver_without_an_emulator(endpoint: str | None) -> None:
    """Wherever else AWS is, the setting is refused: no function starts with it."""
    environment = {"WEBHOOK_RECEIVER": RECEIVER}
    if endpoint is not None:
        environment["AWS_ENDPOINT_URL"] = endpoint

    with pytest.raises(ReceiverRefused, match="WEBHOOK_RECEIVER"):
        policy_from(environment)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", None])
def test_without_a_receiver(endpoint: str | None) -> None:
    """Then webhooks go to public addresses alone, wherever AWS is."""
    policy = policy_from({} if endpoint is None else {"AWS_ENDPOINT_URL": endpoint})

    assert DestinationPolicy() == policy
    assert all(fault_in(url, policy) for url in REFUSED)
    assert fault_in("https://example.com/hooks", policy) is None


def function_in_aws(table: Table) -> Handler:
    """Return the API as it is in AWS, where nothing private is excepted."""
    policy = policy_from({})
    return ApiFunction(table, SECRETS, SystemClock(), RandomIds(), policy=policy).handle


@pytest.fixture(scope="module")
def api(emulator: str) -> Iterator[Rig]:
    """The API function over a table of its own."""
    with function_at(emulator, function_in_aws) as one:
        yield one


def asked(api: Rig, method: str, path: str, body: object = None) -> httpx.Response:
    """Return the API's answer."""
    content = b"" if body is None else json.dumps(body).encode()
    return api.invoke(event_of(method, f"/webhooks/endpoints{path}", KEYED | JSON, content))


@pytest.mark.parametrize("url", REFUSED)
def test_the_api_refuses_what_is_private(api: Rig, url: str) -> None:
    """A new endpoint or a new URL of one: the 422 names `url`, and nothing is kept."""
    made = asked(api, "POST", "", {"url": "https://example.com/hooks"}).json()
    before = asked(api, "GET", "").json()
    answers = [
        asked(api, "POST", "", {"url": url}),
        asked(api, "PATCH", f"/{made['endpoint_id']}", {"url": url}),
    ]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [
        (422, "validation_failed")
    ] * 2
    assert {one.json()["param"] for one in answers} == {"url"}
    assert before == asked(api, "GET", "").json()
    assert asked(api, "DELETE", f"/{made['endpoint_id']}").status_code == 204
