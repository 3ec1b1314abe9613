"""The time from an edit to its effect, and the delay that clients see. `python -m tests.bench.reload`.

A facade with a large table serves one keep-alive client; the file is renamed over, and the client sees the
token of the new table in a response. The pause is the longest response around the swap.
"""

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.facade_process import command
from tests.support.ports import free_port
from tests.support.process import listening_process

SIZES = (10, 1_000, 10_000)
_EDITS = 7
_AFTER_S = 1.0
_BETWEEN_S = 0.002


def table(size: int, token: int) -> str:
    """`size` routes; `/ping` responds with the token."""
    lines = [
        "version: 1",
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


def measure(size: int, folder: Path) -> tuple[float, float]:
    """Median milliseconds from an edit to its effect, and the longest response around any of them."""
    routes, port = folder / "routes.yaml", free_port()
    routes.write_text(table(size, 0))
    argv = command("--routes", str(routes), "--listen", f"127.0.0.1:{port}")
    argv += ["--admin", "127.0.0.1:0", "--access-log", "none"]
    with listening_process(argv, port, folder):
        return asyncio.run(_edited(size, routes, Client(port)))


async def _edited(size: int, routes: Path, client: Client) -> tuple[float, float]:
    running = asyncio.create_task(client.run())
    await asyncio.sleep(_AFTER_S)
    client.waits_ms.clear()
    effects = [await _edit(size, turn, routes, client) for turn in range(1, _EDITS + 1)]
    running.cancel()
    return statistics.median(effects), max(client.waits_ms)


async def _edit(size: int, turn: int, routes: Path, client: Client) -> float:
    beside = routes.with_name("next")
    beside.write_text(table(size, turn))
    began = time.perf_counter()
    beside.replace(routes)
    async with asyncio.timeout(30):
        while f"token-{turn}" not in client.seen:
            await asyncio.sleep(0.001)
    await asyncio.sleep(_AFTER_S)
    return (client.seen[f"token-{turn}"] - began) * 1000


def lines() -> list[str]:
    """A table of the figures, as Markdown."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            effect_ms, pause_ms = measure(size, Path(folder))
        rows.append(f"| {size:,} | {effect_ms:,.0f} | {pause_ms:,.1f} |")
    return [
        "| routes | edit to effect, median ms | longest response around a swap, ms |",
        "| ---: | ---: | ---: |",
        *rows,
    ]


if __name__ == "__main__":
    print("\n".join(lines()))
