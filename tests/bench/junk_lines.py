"""What field lines that nobody repeats cost others. `python -m tests.bench.junk_lines`.

One client sends a request. Between its requests another one sends heads of 60 field lines, each of them new, which
evict all known lines (ADR 21). CPU of the first one's requests, without sockets: on the quick way, without the other
client and with it, and on the way of the strict reader, which is the bound.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from tests.bench import configs
from tests.support.facade_in_process import OK, InProcess, Wire

ROUNDS = 30
REQUESTS = 300
_LINES = 60


class Side(Struct):
    """A facade with two clients, and the CPU time of the first one's requests in microseconds."""

    words: str
    facade: InProcess
    client: Wire
    other: Wire | None
    us: list[float]

    async def run(self, request: Callable[[int], bytes], junk: Iterator[bytes]) -> None:
        """Send requests of the client, with one of the other client before each."""
        spent_ns = 0
        for number in range(REQUESTS):
            if self.other is not None:
                await self._exchange(self.other, next(junk))
            spent_ns += await self._exchange(self.client, request(number))
        self.facade.lines.clear()
        self.us.append(spent_ns / 1e3 / REQUESTS)

    async def _exchange(self, client: Wire, request: bytes) -> int:
        """The CPU time of one request, in nanoseconds."""
        (backend,) = self.facade.open_connections("legacy", 1)
        began = time.thread_time_ns()
        client.protocol.data_received(request)
        sent = time.thread_time_ns()
        await asyncio.sleep(0)  # The writes of a tick, which belong to no request alone.
        backend.take()
        received = time.thread_time_ns()
        backend.protocol.data_received(OK)
        spent_ns = time.thread_time_ns() - received + sent - began
        await asyncio.sleep(0)
        client.take()
        return spent_ns


def side(words: str, *, quick: bool, flooded: bool) -> Side:
    """A facade with the table of the bench."""
    facade = InProcess(configs.routes(1), quick=quick)
    facade.draw_bp = 9_999  # All requests go to one backend.
    other = facade.connect() if flooded else None
    return Side(words, facade, facade.connect(), other, [])


def junk_heads() -> Iterator[bytes]:
    """Requests without a line that was sent before."""
    numbers = itertools.count()
    while True:
        lines = b"".join(b"X-J%d: %d\r\n" % (n, n) for n in itertools.islice(numbers, _LINES))
        yield b"GET /svc1/v1/res1/junk HTTP/1.1\r\nHost: a\r\n%b\r\n" % lines


def _again(_: int) -> bytes:
    return _unlike(7)


def _unlike(number: int) -> bytes:
    return (
        b"GET /svc%d/v1/res%d/%d HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: application/json\r\n"
        b"Accept-Language: en,ko;q=0.8\r\nUser-Agent: Mozilla/5.0 (X11) Chrome/%d\r\nCookie: uid=%d\r\n\r\n"
        % (number % 50, number % 998, number, number % 50, number)
    )


async def measured() -> list[str]:
    """One line for each kind of request and each side."""
    lines = []
    for kind, request in (("repeated", _again), ("unlike", _unlike)):
        sides = [
            side("quick way", quick=True, flooded=False),
            side("quick way, beside junk", quick=True, flooded=True),
            side("strict reader", quick=False, flooded=False),
        ]
        junk = junk_heads()
        for number in range(ROUNDS):
            for each in sides if number % 2 else reversed(sides):
                await each.run(request, junk)
        lines += [f"{kind}, {each.words}: {statistics.median(each.us):.1f} us" for each in sides]
    return lines


def main() -> None:
    for line in asyncio.run(measured()):
        print(line)


if __name__ == "__main__":
    main()
