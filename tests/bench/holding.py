"""Clients without progress: idle ones, and those that stall within a body."""

import contextlib
import select
import time
from collections.abc import Iterator

from tests.bench.client import Client, WrongResponse
from tests.bench.wire import BUFFER_BYTES, requests_of

_RESPONSE_S = 30.0
_QUIET_S = 1.0
_FILL_S = 15.0


@contextlib.contextmanager
def idle(port: int, count: int) -> Iterator[None]:
    """Keep-alive clients that have got one response each, one after the other."""
    buffer = bytearray(BUFFER_BYTES)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(
                contextlib.closing(Client(port, requests_of("get"), buffer))
            )
            client.ask()
            while not _readable(client, _RESPONSE_S).read():
                continue
        yield


@contextlib.contextmanager
def stalled_downloads(port: int, count: int) -> Iterator[None]:
    """Clients that have read the first bytes of a long response, and no more."""
    buffer = bytearray(BUFFER_BYTES)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(
                contextlib.closing(Client(port, requests_of("stalled-download"), buffer))
            )
            client.ask()
            _readable(client, _RESPONSE_S).read()
        yield


@contextlib.contextmanager
def stalled_uploads(port: int, count: int) -> Iterator[None]:
    """Clients that send a long body to an origin that does not read, until all buffers are full."""
    buffer, poller = bytearray(BUFFER_BYTES), select.epoll()
    writing: dict[int, Client] = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(poller))
        for _ in range(count):
            client = stack.enter_context(
                contextlib.closing(Client(port, requests_of("stalled-upload"), buffer))
            )
            if not client.ask():
                writing[client.fileno()] = client
                poller.register(client, select.EPOLLOUT)
        until = time.monotonic() + _FILL_S
        while time.monotonic() < until and (events := poller.poll(_QUIET_S)):
            for number, _ in events:
                if writing[number].write():
                    poller.unregister(number)
        yield


def _readable(client: Client, within_s: float) -> Client:
    if not select.select([client], [], [], within_s)[0]:
        raise WrongResponse(f"no response within {within_s:g} s")
    return client
