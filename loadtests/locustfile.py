"""The users that locust runs: each does what a shopper plans, and has every answer checked.

From the environment: LOAD_API_KEY; LOAD_QUOTA if a 429 is to be expected; LOAD_PACE, the requests
a second of one user, as fast as it goes without. `python -m loadtests` sets them.
"""
# locust lives in an environment of its own, which the type checker does not see.
# pyright: reportMissingImports=false, reportMissingModuleSource=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUntypedBaseClass=false, reportUntypedFunctionDecorator=false
# pyright: reportUnknownArgumentType=false

import os
import secrets
from collections import Counter
from itertools import count
from typing import Any

import gevent
from locust import FastHttpUser, constant, constant_throughput, events, task

from loadtests.checks import Call, Fault, Reply, patience_s, throttle_faults
from loadtests.shopper import Shopper

API_KEY = os.environ["LOAD_API_KEY"]
QUOTA_EXPECTED = "LOAD_QUOTA" in os.environ
PACE = float(os.environ.get("LOAD_PACE", "0"))
EXAMPLES_MAX = 10
_RUN = secrets.token_hex(6)
_users = count(1)
_seen: Counter[str] = Counter()
_examples: dict[str, str] = {}


class Customer(FastHttpUser):
    """One user, with payments of its own."""

    insecure = False  # locust's default is not to look at certificates
    connection_timeout = 10.0
    network_timeout = 35.0  # API Gateway gives up after 29 s
    wait_time = constant_throughput(PACE) if PACE else constant(0)

    def on_start(self) -> None:
        """Begin with keys that no other user and no other run has."""
        self.shopper = Shopper(f"load-{_RUN}-{next(_users)}")

    @task
    def one_call(self) -> None:
        """Send what the shopper plans; after a 429, wait and send the same again."""
        call = self.shopper.next_call()
        while (reply := self._send(call)).status == 429 and QUOTA_EXPECTED:  # noqa: PLR2004
            gevent.sleep(patience_s(reply))

    def _send(self, call: Call) -> Reply:
        headers = {"x-api-key": API_KEY}
        if call.key is not None:
            headers["x-idempotency-key"] = call.key
        with self.client.request(
            call.method,
            call.path,
            name=call.kind,
            json=call.body,
            headers=headers,
            catch_response=True,
        ) as response:
            names = {name.lower(): value for name, value in (response.headers or {}).items()}
            reply = Reply(response.status_code, names, response.content or b"")
            if reply.status == 429 and QUOTA_EXPECTED:  # noqa: PLR2004 - Too Many Requests
                response.request_meta["name"] = "429, waited for"
                faults = throttle_faults(reply)
                _seen["429"] += 1
            else:
                faults = self.shopper.judge(call, reply)
                _seen["checked"] += 1
                _seen["again"] += call.first is not None
            _report(response, faults)
        return reply


def _report(response: Any, faults: list[Fault]) -> None:  # noqa: ANN401 - locust's
    """Let locust count the answer by the first rule that it breaks."""
    for fault in faults:
        _seen["faults"] += 1
        if len(_examples) < EXAMPLES_MAX:
            _examples.setdefault(fault.rule, fault.example)
    if faults:
        response.failure(faults[0].rule)
    else:
        response.success()


@events.quitting.add_listener
def conclude(environment: Any, **others: Any) -> None:  # noqa: ANN401 - locust's
    """Say what was checked; a run without a checked answer has failed too."""
    del others
    print(
        f"\n{_seen['checked']:,} answers checked, {_seen['again']:,} of them to a request sent"
        f" again; {_seen['429']:,} times 429; {_seen['faults']:,} faults."
    )
    for rule, example in _examples.items():
        print(f"  {rule}\n    {example}")
    if not _seen["checked"]:
        environment.process_exit_code = 1
