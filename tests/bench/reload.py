"""The time from an edit to its effect, and the delay that clients see. `python -m tests.bench.reload`.

A facade with a large table serves one keep-alive client; the file is renamed over, and the client sees the
token of the new table in a response. The pause is the longest response around the swap. `facade shift` is timed
from its start to its exit, beside the facade.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from proxy.control.checked_file import checked_path
from tests.support.facade_process import command
from tests.support.ports import free_port
from tests.support.process import ROOT, listening_process

SIZES = (10, 1_000, 10_000)
_EDITS = 7
_SHIFTS = 5
_AFTER_S = 1.0
_BETWEEN_S = 0.002


@dataclass(frozen=True)
class Figures:
    """Medians of milliseconds, and the longest responses."""

    route_ms: float
    """From an edit of one route to its effect."""
    default_ms: float
    """The same for an edit that concerns every route: the whole table is parsed."""
    route_pause_ms: float
    default_pause_ms: float
    quiet_pause_ms: float
    """Without any edit, in as much time: what the machine itself does."""
    shift_ms: float


def table(size: int, token: int, request_s: int = 60) -> str:
    """`size` routes; `/ping` responds with the token."""
    lines = [
        "version: 1",
        f"defaults: {{timeouts: {{request: {request_s}s}}}}",
        "backends: {legacy: 'http://127.0.0.1:1', new: 'http://127.0.0.1:1'}",
        "routes:",
    ]
    lines += [
        f"  - {{name: r{number}, match: {{path: {{prefix: /svc{number % 50}/v1/res{number}}}}}, "
        "backend_refs: {legacy: 80, new: 20}}"
        for number in range(size - 2)
    ]
    lines += [
        "  - {name: ping, match: {path: {exact: /ping}}, "
        f"direct_response: {{status: 200, body: token-{token}}}}}",
        "  - {name: rest, backend_refs: legacy}",
    ]
    return "\n".join(lines) + "\n"


@dataclass
class Client:
    """Requests /ping without a pause, and records the duration of each response and the time of each new token."""

    port: int
    seen: dict[str, float] = field(default_factory=dict)
    waits_ms: list[float] = field(default_factory=list)

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while True:
            sent = time.perf_counter()
            writer.write(b"GET /ping HTTP/1.1\r\nhost: bench\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            token = (await reader.readexactly(length)).decode()
            received = time.perf_counter()
            self.waits_ms.append((received - sent) * 1000)
            self.seen.setdefault(token, received)
            await asyncio.sleep(_BETWEEN_S)

    def longest_ms(self) -> float:
        """The longest response since the last call."""
        longest = max(self.waits_ms)
        self.waits_ms.clear()
        return longest


def measure(size: int, folder: Path) -> Figures:
    """The figures of a table of this size."""
    routes, port = folder / "routes.yaml", free_port()
    routes.write_text(table(size, 0))
    argv = command("--routes", str(routes), "--listen", f"127.0.0.1:{port}")
    argv += ["--admin", "127.0.0.1:0", "--access-log", "none"]
    with listening_process(argv, port, folder):
        return asyncio.run(_edited(size, routes, Client(port)))


async def _edited(size: int, routes: Path, client: Client) -> Figures:
    running = asyncio.create_task(client.run())
    await asyncio.sleep(_AFTER_S)
    client.waits_ms.clear()
    await asyncio.sleep(_AFTER_S * _EDITS)
    quiet = client.longest_ms()
    texts = [table(size, token) for token in range(1, _EDITS + 1)]
    route_ms = statistics.median([await _edit(text, routes, client) for text in texts])
    route_pause = client.longest_ms()
    texts = [table(size, 100 + token, 61 + token) for token in range(_EDITS)]
    default_ms = statistics.median([await _edit(text, routes, client) for text in texts])
    default_pause = client.longest_ms()
    shifts = [await asyncio.to_thread(_shift, routes, 30 + each) for each in range(_SHIFTS)]
    running.cancel()
    return Figures(
        route_ms, default_ms, route_pause, default_pause, quiet, statistics.median(shifts)
    )


async def _edit(text: str, routes: Path, client: Client) -> float:
    token = text.partition("body: ")[2].partition("}")[0]
    beside = routes.with_name("next")
    await asyncio.to_thread(beside.write_text, text)
    began = time.perf_counter()
    beside.replace(routes)
    async with asyncio.timeout(30):
        while token not in client.seen:
            await asyncio.sleep(0.001)
    await asyncio.sleep(_AFTER_S)
    return (client.seen[token] - began) * 1000


def _shift(routes: Path, share: int) -> float:
    """The facade has checked the table, and wrote that down, or an edit did."""
    if not checked_path(routes).is_file():
        raise RuntimeError("the table was not checked")
    argv = [sys.executable, "-m", "proxy", "shift", "r5", f"new={share}", "--routes", str(routes)]
    began = time.perf_counter()
    subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return (time.perf_counter() - began) * 1000


def lines() -> list[str]:
    """A table of the figures, as Markdown."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            each = measure(size, Path(folder))
        rows.append(
            f"| {size:,} | {each.route_ms:,.0f} | {each.default_ms:,.0f} | {each.route_pause_ms:,.1f} "
            f"| {each.default_pause_ms:,.1f} | {each.quiet_pause_ms:,.1f} | {each.shift_ms:,.0f} |"
        )
    return [
        "| routes | edit of a route to effect, median ms | of a default | longest response around these, ms "
        "| around those | without an edit | `facade shift`, median ms |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *rows,
        "",
        f"The load of the machine was {os.getloadavg()[0]:.1f} at the end.",
    ]


if __name__ == "__main__":
    print("\n".join(lines()))
