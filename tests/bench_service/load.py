"""Keep-alive clients that ask again as soon as they are answered. argv: port connections seconds question.

Prints one JSON line: requests, how many a second, failures, latency in milliseconds.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

_BODY = b'{"id":1,"flightSpecialHeader":"London to Prague"}'
QUESTIONS = {
    "list": b"GET /flightspecials HTTP/1.1\r\nhost: b\r\n\r\n",
    "one": b"GET /flightspecials/1 HTTP/1.1\r\nhost: b\r\n\r\n",
    "header": b"POST /flightspecials/1/header HTTP/1.1\r\nhost: b\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_BODY), _BODY),
}


class Client(asyncio.Protocol):
    """One connection. Answers carry Content-Length."""

    def __init__(self, question: bytes, waits_s: list[float], failed: list[str]) -> None:
        self._question = question
        self._waits_s = waits_s
        self._failed = failed
        self._transport: asyncio.Transport | None = None
        self._asked_at = 0.0
        self._head = b""
        self._left = -1
        self.stopping = False
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._ask()

    def _ask(self) -> None:
        if self.stopping or self._transport is None:
            self.done.set()
            return
        self._asked_at = time.perf_counter()
        self._transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head += data
            head, found, body = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._failed.append(head[:200].decode("latin-1"))
            length = head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]
            self._left, self._head = int(length) - len(body), b""
        else:
            self._left -= len(data)
        if self._left <= 0:
            self._left = -1
            self._waits_s.append(time.perf_counter() - self._asked_at)
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.stopping:
            self._failed.append(f"connection lost: {exc}")
        self.done.set()


async def main(port: int, connections: int, seconds: float, question: str) -> None:
    """Load for `seconds`, then wait for what is still open."""
    loop = asyncio.get_running_loop()
    waits_s: list[float] = []
    failed: list[str] = []
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: Client(QUESTIONS[question], waits_s, failed), "127.0.0.1", port
        )
        clients.append(client)
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took_s, count = time.perf_counter() - began, len(waits_s)
    for client in clients:
        client.stopping = True
    await asyncio.wait([asyncio.ensure_future(each.done.wait()) for each in clients], timeout=10)
    ordered = sorted(waits_s)
    told = {
        "requests": len(ordered),
        "per_second": count / took_s,
        "failed": failed[:3],
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
