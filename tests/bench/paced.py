"""Requests at a rate that does not ask how fast the answers come.

argv: port, requests a second, seconds, connections.

Arrivals are random (exponential gaps, one fixed seed: each contestant gets the same). A request that finds all
connections busy waits, and its wait counts. Before the clock starts, each connection is made and has its first answer,
and a second goes by at the rate: what is asked for is how long answers take, not how fast clients can be accepted.
Prints one JSON line, like the load.
"""

import json
import random
import select
import sys
import time
from collections import deque
from pathlib import Path

from tests.bench.client import Client, WrongAnswer
from tests.bench.load import percentile
from tests.bench.wire import BUFFER_BYTES, requests_of

_SEED = 7
_DRAIN_S = 10.0
_WARM_UP_S = 1.0


class Paced:
    """`connections` clients, and a clock that says when the next request is due."""

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
        """Each client asks once, alone; then all of them for a second, at the rate."""
        for client in self._clients.values():
            client.ask()
            while not client.idle:
                select.select([client], [], [], _DRAIN_S)
                client.read()
        self.run(_WARM_UP_S)
        self.waits_s.clear()

    def run(self, seconds: float) -> None:
        """Ask for `seconds`, and wait for the last answers."""
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
                self.failed.append(f"no answer within {_DRAIN_S:g} s")

    def close(self) -> None:
        """Hang up, all of them."""
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
            except (WrongAnswer, OSError) as error:
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
    # Linux lets a sleeper oversleep by 50 µs, to save power: as long as an answer takes.
    Path("/proc/self/timerslack_ns").write_text("1")
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
