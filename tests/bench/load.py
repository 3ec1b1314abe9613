"""The load: keep-alive clients that send the next request as soon as a response is complete.

argv: port, kind of request, connections, seconds, and at most how many requests (0: no end but the time).
Prints one JSON line: requests, failed, requests a second, the seconds to the last
response, and percentiles of the latency in milliseconds.
"""

import json
import select
import sys
import time

from tests.bench.client import Client, WrongResponse
from tests.bench.wire import BUFFER_BYTES, Requests, requests_of

_READ, _WRITE = select.EPOLLIN, select.EPOLLIN | select.EPOLLOUT
_DRAIN_S = 30.0


class Load:
    """`connections` clients of one poller."""

    def __init__(self, port: int, requests: Requests, connections: int) -> None:
        buffer = bytearray(BUFFER_BYTES)
        self._poller = select.epoll()
        self._clients: dict[int, Client] = {}
        self.waits_s: list[float] = []
        self.failed: list[str] = []
        self._unasked = sys.maxsize
        for _ in range(connections):
            client = Client(port, requests, buffer)
            self._clients[client.fileno()] = client
            self._poller.register(client, _READ)

    def run(self, seconds: float, at_most: int) -> tuple[int, float]:
        """Load for a time, or until `at_most` requests are sent (0: no end but the time).

        Returns the number of responses and the duration.
        """
        self._unasked = at_most or sys.maxsize
        began = time.perf_counter()
        until = began + seconds
        for client in self._clients.values():
            self._ask(client)
        waits_s = self.waits_s
        while self._unasked and time.perf_counter() < until and not self.failed:
            self._turn(asking=True)
        in_time, took_s = len(waits_s), time.perf_counter() - began
        # A proxy whose client leaves has additional work, which is not measured.
        until = time.perf_counter() + _DRAIN_S
        while not self.failed and not all(each.idle for each in self._clients.values()):
            self._turn(asking=False)
            if time.perf_counter() > until:
                self.failed.append(f"no response within {_DRAIN_S:g} s")
        return in_time, took_s

    def _turn(self, *, asking: bool) -> None:
        clients, noted = self._clients, self.waits_s
        for number, event in self._poller.poll(0.5):
            client = clients[number]
            try:
                if event & select.EPOLLOUT and client.write():
                    self._poller.modify(number, _READ)
                if not event & select.EPOLLIN or not client.read():
                    continue
            except BlockingIOError:
                continue
            except (WrongResponse, OSError) as error:
                self.failed.append(str(error))
                self._poller.unregister(number)
                continue
            noted.append(time.perf_counter() - client.began)
            if asking:
                self._ask(client)

    def close(self) -> None:
        """Close all connections."""
        self._poller.close()
        for client in self._clients.values():
            client.close()

    def _ask(self, client: Client) -> None:
        if not self._unasked:
            return
        self._unasked -= 1
        if not client.ask():
            self._poller.modify(client.fileno(), _WRITE)


def percentile(ordered: list[float], share: float) -> float:
    """The value below which `share` (0 to 1) of an ordered list lies; 0 of an empty list."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def measured(load: Load, seconds: float, at_most: int = 0) -> dict[str, object]:
    """Run a load. Returns what the program prints."""
    began = time.perf_counter()
    in_time, took_s = load.run(seconds, at_most)
    waits = sorted(load.waits_s)
    return {
        "requests": len(waits),
        "per_second": in_time / took_s,
        "took_s": time.perf_counter() - began,
        "failed": load.failed[:3],
        "p50_ms": percentile(waits, 0.5) * 1000,
        "p99_ms": percentile(waits, 0.99) * 1000,
    }


def main(argv: list[str]) -> None:
    port, kind, connections, seconds, at_most = argv
    load = Load(int(port), requests_of(kind), int(connections))
    print(json.dumps(measured(load, float(seconds), int(at_most))))


if __name__ == "__main__":
    main(sys.argv[1:])
