"""The parity counts of all workers, read while somebody looks: at most every ten seconds, in a thread."""

import asyncio
import time

from proxy.comparison.counts import ParityCounts, merged
from proxy.mirroring.parity_book import decoded_counts
from proxy.telemetry.shared_parity import SharedParity

_EVERY_S = 10.0
_MAX_BYTES = 2 * 1024 * 1024
"""Decoding holds the interpreter lock: a longer text is left to `GET /parity`."""


class ParityReader:
    """`counts` are those of all workers, by route."""

    def __init__(self, shared: SharedParity) -> None:
        self._shared = shared
        self._read_at = -_EVERY_S
        self.counts: dict[str, ParityCounts] = {}

    async def refresh(self) -> None:
        """Read the counts again, if they are old."""
        now = time.monotonic()
        if now - self._read_at >= _EVERY_S:
            self._read_at = now
            self.counts = await asyncio.to_thread(self._read)

    def _read(self) -> dict[str, ParityCounts]:
        by_route: dict[str, list[ParityCounts]] = {}
        for number in range(len(self._shared)):
            text = self._shared.read(number)
            if text is None or len(text) > _MAX_BYTES:
                continue
            for route, counts in decoded_counts(text).items():
                by_route.setdefault(route, []).append(counts)
        return {route: merged(parts) for route, parts in by_route.items()}
