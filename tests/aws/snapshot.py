"""Walks the function through a snapshot, in a process of its own, and prints what it saw."""

import json
import random
import socket
import sys
from contextlib import redirect_stdout
from typing import Any

from snapshot_restore_py import (  # pyright: ignore[reportMissingTypeStubs]
    get_after_restore,
    get_before_snapshot,
)

from tests.aws.function_rig import posted
from tests.gateway import Context
from tests.running import AUTHORIZE


class Network:
    """Counts connections and the calls to SSM; lets nothing through while it is shut."""

    def __init__(self) -> None:
        self.connections = 0
        self.secrets_read = 0
        self.shut = False
        connect = socket.socket.connect

        def counted(opened: socket.socket, address: Any) -> None:
            self.connections += 1
            if self.shut:
                raise ConnectionRefusedError
            connect(opened, address)

        socket.socket.connect = counted

    def read(self, **_: object) -> None:
        """Count a read of the secrets."""
        self.secrets_read += 1

    def taken(self) -> tuple[int, int]:
        """Return both counts since they were last asked for."""
        seen = self.connections, self.secrets_read
        self.connections = self.secrets_read = 0
        return seen


def run(hooks: list[Any]) -> None:
    """Run the hooks as the runtime does."""
    for function, arguments, named in hooks:
        function(*arguments, **named)


def main() -> None:
    """Import, snapshot, restore, and answer a request at each step."""
    network = Network()
    from payments_sandbox.entrypoints import aws_api  # noqa: PLC0415 - as Lambda does

    events: Any = vars(aws_api)["_secrets"].__dict__["_client"].meta.events
    events.register("before-call.ssm.GetParameter", network.read)
    seen: dict[str, Any] = {"imported": network.taken()}

    network.shut = True
    print("BEFORE", flush=True)  # noqa: T201 - marks the log
    run(get_before_snapshot())
    print("AFTER", flush=True)  # noqa: T201 - marks the log
    network.shut = False
    seen["primed"] = network.taken()

    def answered(key: str) -> tuple[int, int, int]:
        with redirect_stdout(sys.stderr):
            answer = aws_api.handler(posted("authorize", AUTHORIZE, key), Context())
        return (answer["statusCode"], *network.taken())

    seen["first"], seen["second"] = answered("k1"), answered("k2")
    draws: list[float] = []
    for _ in range(2):
        random.seed(1)
        draws.append(random.random())  # noqa: S311 - it is the jitter's
        random.seed(1)
        run(get_after_restore())
        draws.append(random.random())  # noqa: S311 - as above
    seen["restored"] = network.taken()
    seen["third"], seen["fourth"] = answered("k3"), answered("k4")
    seen["draws"] = draws
    seen["hooks"] = [len(get_before_snapshot()), len(get_after_restore())]
    print("FACTS", json.dumps(seen), flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
