"""A server on this machine: one process over one home, until it is told to stop."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import monotonic

import uvicorn

from payments_sandbox.api.app import create_app
from payments_sandbox.api.edge import EdgeSettings
from payments_sandbox.api.rate_limit import RateLimit
from payments_sandbox.entrypoints.http_protocol import BoundedHttp
from payments_sandbox.entrypoints.wiring import Home, Sandbox, is_loopback

DRAIN_S = 10
KEEP_ALIVE_S = 30
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class ServeRefused(Exception):
    """The sandbox cannot serve like this; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve; `rate_limit` in requests a minute per API key, None for no limit."""

    host: str
    port: int
    home: Home
    rate_limit: int | None
    allowed_hosts: tuple[str, ...] = ()
    access_log: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """What is being served, once the port is open."""

    base_url: str
    home: Home
    local_key: bool
    rate_limit: int | None


def run(options: ServeOptions, announce: Callable[[Serving], None]) -> None:
    """Serve until SIGTERM or SIGINT; raise ServeRefused or LedgerRefused."""
    with options.home.held(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(options, announce))


async def _serve(options: ServeOptions, announce: Callable[[Serving], None]) -> None:
    sandbox = options.home.open()
    try:
        local_key = await _local_key(sandbox, options)
        listener = _listen(options)
        server = _Server(_config(sandbox, options))
        base_url = _base_url(options.host, listener)
        gc.freeze()  # what start-up made stays: the collector need not look at it again
        gc.set_threshold(50_000, 50, 50)
        gc.enable()
        async with _meanwhile(*options.home.chores()):
            with _stopped_by_signals(server):
                announce(Serving(base_url, options.home, local_key, options.rate_limit))
                await server.serve(sockets=[listener])
    finally:
        await sandbox.close()


async def _local_key(sandbox: Sandbox, options: ServeOptions) -> bool:
    """Return whether the well-known key works; it may only where nobody else can reach it."""
    if is_loopback(options.host):
        return await sandbox.use.tenancy.ensure_local_key()
    if await sandbox.use.tenancy.local_key_works():
        raise ServeRefused(
            f"the API key sk_test_local is known to everybody, so it may not be served on "
            f"{options.host}. "
            f"Revoke it first (payments-sandbox keys revoke default local {options.home.option}), "
            "or keep to 127.0.0.1."
        )
    return False


def _config(sandbox: Sandbox, options: ServeOptions) -> uvicorn.Config:
    limit = RateLimit(options.rate_limit, monotonic) if options.rate_limit else None
    hosts = None
    if is_loopback(options.host):
        hosts = _LOOPBACK_NAMES | {name.lower() for name in options.allowed_hosts}
    edge = EdgeSettings(limit, hosts, options.access_log)
    return uvicorn.Config(
        create_app(sandbox.use, edge, options.home.policy),
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )


class _Server(uvicorn.Server):
    """Leaves signals to us, so that a stop that drained everything exits with 0."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Generator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop)
    yield
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(one)


def _listen(options: ServeOptions) -> socket.socket:
    """Open the port; raise ServeRefused."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError as error:
        listener.close()
        raise ServeRefused(
            f"cannot listen on {options.host}:{options.port}: {error.strerror or error}. "
            "Choose another --port or --host."
        ) from error
    listener.listen(2048)
    listener.settimeout(0)
    return listener


def _base_url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def _meanwhile(*work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Run the work beside the block, and end it with the block."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 - not everywhere
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
