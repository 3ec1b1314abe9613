"""Makes and compares copies in one process: the mirror process, or a process that has none."""

from collections.abc import Coroutine
from typing import Any

from msgspec import Struct

from proxy.mirroring.comparisons import REST_FOR_REQUESTS, Comparisons
from proxy.mirroring.lane import Open
from proxy.mirroring.mirrors import Mirrors
from proxy.mirroring.parity_book import ParityBook
from proxy.telemetry.mirror_counters import MirrorCounters
from proxy.telemetry.shared_memory import SharedMirror


class CopyMaker(Struct, frozen=True):
    """The copies of requests of one process, and what they show."""

    mirrors: Mirrors
    comparisons: Comparisons
    book: ParityBook

    @staticmethod
    def create(
        open_upstream: Open, shared: SharedMirror, rest: float = REST_FOR_REQUESTS
    ) -> "CopyMaker":
        """`open_upstream` opens connections for copies. `shared` gets what they show. `rest`: see `Comparisons`."""
        book = ParityBook(MirrorCounters(shared.stats), shared)
        comparisons = Comparisons(book, rest)
        return CopyMaker(Mirrors(open_upstream, book, comparisons), comparisons, book)

    def tasks(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs beside. The caller owns the tasks."""
        return self.comparisons.run(), self.book.run()

    async def aclose(self) -> None:
        """Give up the copies that are being sent, and publish what the others show."""
        await self.mirrors.aclose()
        self.book.publish()
