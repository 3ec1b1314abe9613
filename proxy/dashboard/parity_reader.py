"""The parity of all routes, made while somebody looks: at most every ten seconds, in a thread."""

import asyncio
import time
from collections.abc import Callable, Iterable

from proxy.comparison.report import ParityReport

_EVERY_S = 10.0
Reports = Callable[[], Iterable[ParityReport]]
"""Makes the reports of all routes with a comparison. It takes long."""


class ParityReader:
    """`by_route` has the reports as they were made last."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._made_at = -_EVERY_S
        self.by_route: dict[str, ParityReport] = {}

    async def refresh(self) -> None:
        """Make the reports again, if they are old."""
        now = time.monotonic()
        if now - self._made_at >= _EVERY_S:
            self._made_at = now
            self.by_route = await asyncio.to_thread(self._make)

    def _make(self) -> dict[str, ParityReport]:
        return {each.route: each for each in self._reports()}
