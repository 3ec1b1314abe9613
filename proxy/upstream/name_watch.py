"""Resolves the host name of an endpoint again while there are connections to it.

A busy connection stays open. So without this, a backend whose DNS name changes would get requests at its old address
for as long as traffic lasts. An address has left the name if two responses in a row lack it: some resolvers return a
different part of the addresses each time.
"""

import asyncio
import socket
from collections.abc import Callable

INTERVAL_S = 10.0
"""Two of them, and a lookup, are less than 30 s."""
_LOOKUP_S = 5.0

OnAddresses = Callable[[frozenset[str]], None]


class NameWatch:
    """Calls `on_addresses` with the addresses of this lookup and the one before. Owns one task at a time."""

    def __init__(self, host: str, port: int, on_addresses: OnAddresses) -> None:
        self._host = host
        self._port = port
        self._on_addresses = on_addresses
        self._last: frozenset[str] | None = None
        self._next_at = 0.0
        self._lookup: asyncio.Task[None] | None = None

    def check(self, now: float) -> None:
        """Start a lookup if it is time. `now` in the loop's time."""
        if now < self._next_at or self._lookup is not None:
            return
        is_first, self._next_at = not self._next_at, now + INTERVAL_S
        if not is_first:
            self._lookup = asyncio.get_running_loop().create_task(self._look_up())

    def stop(self) -> None:
        """End the lookup, if there is one."""
        if self._lookup is not None:
            self._lookup.cancel()

    async def _look_up(self) -> None:
        try:
            async with asyncio.timeout(_LOOKUP_S):
                infos = await asyncio.get_running_loop().getaddrinfo(
                    self._host, self._port, type=socket.SOCK_STREAM
                )
        except (OSError, UnicodeError):
            return  # Without a result the connections stay.
        finally:
            self._lookup = None
        found = frozenset(str(info[4][0]) for info in infos)
        last, self._last = self._last, found
        if last is not None:
            self._on_addresses(found | last)
