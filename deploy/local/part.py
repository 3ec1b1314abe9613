"""A part of the stack, as a value, and the check whether it is ready."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.account import Account

# Called with the process id until it returns True. It never raises, and takes a bounded time.
Ready = Callable[[int], Awaitable[bool]]
_PROBE_S = 2.0


@dataclass(frozen=True)
class Part:
    """One process of the stack.

    `ready_s` bounds its start. `stop_steps` are pairs of a signal and the seconds that it may take;
    the last one should be SIGKILL, which goes to the whole process group. `last_word` is the signal
    for the part when the supervisor itself is killed.
    """

    name: str
    argv: tuple[str, ...]
    ready: Ready
    env: Mapping[str, str] = field(repr=False)  # holds a password
    cwd: Path = Path("/")
    ready_s: float = 60.0
    stop_steps: tuple[tuple[int, float], ...] = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
    last_word: int = signal.SIGKILL
    account: Account | None = None
    keep_fds: tuple[int, ...] = ()


def responds(port: int, path: str) -> Ready:
    """Ready when `GET path` on 127.0.0.1:`port` gets a 200."""

    async def ready(_pid: int) -> bool:
        try:
            async with asyncio.timeout(_PROBE_S):
                return await _status(port, path) == b"200"
        except (OSError, TimeoutError):
            return False

    return ready


async def _status(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode())
        line = await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return line.split(b" ")[1] if line.count(b" ") else b""
