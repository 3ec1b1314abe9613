"""`python -m deploy.local.travelbuddy --host 127.0.0.1 --port 8082`: the stand-in as a process."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

import uvicorn

from deploy.local.travelbuddy.app import travelbuddy


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"travelbuddy: {message}\n")


class _Server(uvicorn.Server):
    """Ends with 0 when it is told to end: uvicorn would raise the signal once more."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = _Parser(prog="travelbuddy", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=8082, metavar="0..65535")
    told = parser.parse_args(argv)
    config = uvicorn.Config(
        travelbuddy(),
        host=told.host,
        port=told.port,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        # As Tomcat: a proxy that keeps idle connections for less never meets a closed one.
        timeout_keep_alive=20,
        timeout_graceful_shutdown=5,
    )
    _Server(config).run()
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
