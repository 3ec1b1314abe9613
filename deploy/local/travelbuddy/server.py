"""uvicorn, set up to keep its connections as Tomcat does."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp

from deploy.local.travelbuddy.tomcat import Connection


class _Server(uvicorn.Server):
    """Leaves signals to `run`: uvicorn would raise them once more, and supports one server only."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """A server that is not started yet."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Connection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        # As Tomcat: a proxy with a shorter idle time-out never uses a closed connection.
        timeout_keep_alive=20,
        timeout_graceful_shutdown=5,
    )
    return _Server(config)


def run(servers: Sequence[uvicorn.Server]) -> None:
    """Serve until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=servers[0].config.get_loop_factory()) as runner:
        runner.run(_serve(servers))


async def _serve(servers: Sequence[uvicorn.Server]) -> None:
    def stop() -> None:
        for one in servers:
            one.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(one.serve() for one in servers))
