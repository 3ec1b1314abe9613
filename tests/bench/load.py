"""The load: keep-alive clients that ask again as soon as they are answered. argv: port connections seconds.

Prints one JSON line: requests, failed, and percentiles of the latency in milliseconds.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

_REQUEST = b"GET /travelbuddy/flightspecials HTTP/1.1\r\nhost: bench.example\r\naccept: */*\r\n\r\n"


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, waits_s: list[float], failed: list[str]) -> None:
        self._waits_s = waits_s
        self._failed = failed
        self._transport: asyncio.Transport | None = None
        self._asked_at = 0.0
        self._seen = b""
        self._left = -1
        self.stopping = False
        self.answered = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._ask()

    def _ask(self) -> None:
        if self._transport is not None and not self.stopping:
            self._asked_at = time.perf_counter()
            self.answered.clear()
            self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._seen += data
            head, found, body = self._seen.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._failed.append(head[:80].decode("latin-1"))
            self._left = _length(head, body) - len(body)
            self._seen = b""
        else:
            self._left -= len(data)
        if self._left <= 0:
            self._left = -1
            self._waits_s.append(time.perf_counter() - self._asked_at)
            self.answered.set()
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.stopping:
            self._failed.append(f"connection lost: {exc}")


def _length(head: bytes, body: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length: ")
    if at >= 0:
        return int(lower[at + 16 :].split(b"\r\n", 1)[0])
    # Chunked: the origin's body is one known size, so its framing is, too.
    return 502 + len(b"1f6\r\n\r\n0\r\n\r\n")


async def main(port: int, connections: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    waits_s: list[float] = []
    failed: list[str] = []
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: Client(waits_s, failed), "127.0.0.1", port)
        clients.append(client)
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took_s = time.perf_counter() - began
    for client in clients:
        client.stopping = True
    # A proxy whose client leaves has other work than the one that is measured.
    await asyncio.wait(
        [asyncio.ensure_future(each.answered.wait()) for each in clients], timeout=10
    )
    waits_s.sort()
    count = len(waits_s)
    print(
        json.dumps(
            {
                "requests": count,
                "per_second": count / took_s,
                "failed": failed[:3],
                "p50_ms": waits_s[count // 2] * 1000 if count else None,
                "p99_ms": waits_s[int(count * 0.99)] * 1000 if count else None,
            }
        )
    )


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
