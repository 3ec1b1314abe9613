"""Requests at a fixed rate, independent of the responses.

argv: port, requests a second, seconds, connections.

Arrivals are random (exponential gaps, one fixed seed: each contestant gets the same). A request that finds all
connections busy waits, and its wait counts. Before the measurement, each connection is opened and gets one response,
and a second passes at the rate: the time of responses is measured, and not the rate of accepting clients.
Prints one JSON line, like the load.
"""

import gc
import json
import random
import select
import sys
import time
from collections import deque
from pathlib import Path

from tests.bench.client import Client, WrongResponse
from tests.bench.load import percentile
from tests.bench.wire import BUFFER_BYTES, requests_of

_SEED = 7
_DRAIN_S = 10.0
_WARM_UP_S = 1.0


class Paced:
    """`connections` clients, and the time at which the next request is due."""

    def __init__(self, port: int, rate: float, connections: int) -> None:
        buffer = bytearray(BUFFER_BYTES)
        self._poller = select.epoll()
        self._clients: dict[int, Client] = {}
        for _ in range(connections):
            client = Client(port, requests_of("unlike"), buffer)
            self._clients[client.fileno()] = client
            self._poller.register(client, select.EPOLLIN)
        self._free = list(self._clients.values())
        self._waiting: deque[float] = deque()
        self._since: dict[Client, float] = {}
        self._gap = random.Random(_SEED).expovariate
        self._rate = rate
        self.waits_s: list[float] = []
        self.failed: list[str] = []

    def warm_up(self) -> None:
        """Each client sends one request alone; then all of them send for a second, at the rate."""
        for client in self._clients.values():
            client.ask()
            while not client.idle:
                select.select([client], [], [], _DRAIN_S)
                client.read()
        self.run(_WARM_UP_S)
        self.waits_s.clear()

    def run(self, seconds: float) -> None:
        """Send requests for `seconds`, and wait for the last responses."""
        now = time.perf_counter()
        until, due = now + seconds, now
        while now < until and not self.failed:
            while due <= now:
                self._arrived(due)
                due += self._gap(self._rate)
            self._turn(due - now)
            now = time.perf_counter()
        until = now + _DRAIN_S
        while len(self._free) < len(self._clients) and not self.failed:
            self._turn(0.01)
            if time.perf_counter() > until:
                self.failed.append(f"no response within {_DRAIN_S:g} s")

    def close(self) -> None:
        """Close all connections."""
        self._poller.close()
        for client in self._clients.values():
            client.close()

    def _arrived(self, due: float) -> None:
        if not self._free:
            self._waiting.append(due)
            return
        client = self._free.pop()
        client.ask()
        self._since[client] = client.began

    def _turn(self, wait_s: float) -> None:
        # epoll waits for whole milliseconds; select for microseconds.
        select.select([self._poller], [], [], max(0.0, wait_s))
        for number, _ in self._poller.poll(0):
            client = self._clients[number]
            try:
                if not client.read():
                    continue
            except (WrongResponse, OSError) as error:
                self.failed.append(str(error))
                return
            self.waits_s.append(time.perf_counter() - self._since[client])
            if self._waiting:
                client.ask()
                self._since[client] = self._waiting.popleft()
            else:
                self._free.append(client)


def main(argv: list[str]) -> None:
    port, rate, seconds, connections = argv
    # To save power, Linux ends a sleep up to 50 µs late: as long as a response takes.
    Path("/proc/self/timerslack_ns").write_text("1")
    # A collection stops this client for milliseconds, and its pause would be each contestant's 99th percentile.
    gc.disable()
    paced = Paced(int(port), float(rate), int(connections))
    paced.warm_up()
    began = time.perf_counter()
    paced.run(float(seconds))
    waits = sorted(paced.waits_s)
    figures = {
        "requests": len(waits),
        "per_second": len(waits) / (time.perf_counter() - began),
        "failed": paced.failed[:3],
        "p50_ms": percentile(waits, 0.5) * 1000,
        "p99_ms": percentile(waits, 0.99) * 1000,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
