"""The live content of the page: sampled and rendered while somebody looks, and sent to every viewer.

    sample (always, every 2 s) --> series of the last hour
    changed (while there are viewers, 5 times a second): the table, a refused edit, health --> a new generation
    events of a viewer: waits for a generation, and gets the fragments that differ from those it has

A viewer has no queue. One that reads slowly skips generations, and its connection is closed by the listener's limits.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from proxy.control.atomic_file import resolve_links
from proxy.control.history.entries import Entry
from proxy.control.history.file import history_path, newest_entries
from proxy.dashboard.migration import extras_of
from proxy.dashboard.pages import ROUTES, Content, Pages
from proxy.dashboard.parity_reader import ParityReader, Reports
from proxy.dashboard.sides import Sides, sides_of
from proxy.dashboard.traffic import Pair, TrafficHistory
from proxy.dashboard.view import CARDS_PER_PAGE, View
from proxy.model import Health, Route
from proxy.routing.snapshot import CurrentTable, Snapshot
from proxy.telemetry.health_report import health_in
from proxy.telemetry.shared_memory import SharedStats
from proxy.telemetry.totals import Totals

if TYPE_CHECKING:
    from proxy.dashboard.replicas import Replicas

MAX_VIEWERS = 40
_SAMPLE_S = 2.0
_MAX_SHARE = 0.02
"""Of the time: a facade with many counters is sampled less often."""
_LOOK_S = 0.2
_STEP = 200
_HEARTBEAT_S = 15.0
_STREAM_S = 3600.0
_READ_ENTRIES = 300


class TooManyViewers(Exception):
    """All event streams are in use."""


class Live:
    """The sources of the page, and its viewers."""

    def __init__(
        self,
        path: Path,
        table: CurrentTable,
        stats: SharedStats,
        pages: Pages,
        parity: Reports,
        replicas: "Replicas | None" = None,
    ) -> None:
        self.path = path
        self.table = table
        self.stats = stats
        self.pages = pages
        self.traffic = TrafficHistory(time.monotonic())
        self._viewers = 0
        self._generation = 0
        self._changed = asyncio.Event()
        self._rendering = asyncio.Lock()
        self._rendered: dict[View, tuple[int, Content]] = {}
        self._table_parts = _TableParts(table.current, sides_of(table.current.table))
        self._history = _HistoryReader(path)
        self._parity = ParityReader(parity)
        self._replicas = replicas

    @property
    def viewers(self) -> int:
        return self._viewers

    async def run(self) -> None:
        """Sample, and look for changes, until cancelled. The admin process owns the task."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sample_forever())
            group.create_task(self._look_forever())
            if self._replicas is not None:
                watching = self._replicas.run(lambda: self._viewers > 0, self._next_generation)
                group.create_task(watching)

    async def refresh_replicas(self) -> None:
        """Ask the replicas, if that is long ago. For the first load of a page, which may have no script."""
        if self._replicas is not None:
            await self._replicas.refresh()

    # --- sources --------------------------------------------------------------------------------

    async def _sample_forever(self) -> None:
        while True:
            took_s = await self.sample()
            if self._viewers:
                self._next_generation()
            await asyncio.sleep(max(_SAMPLE_S, took_s / _MAX_SHARE))

    async def sample(self) -> float:
        """Read the counters of all workers in short steps. Returns how long it took without the pauses."""
        took_s, began = 0.0, time.monotonic()
        for _ in self._sample_in_steps():
            took_s += time.monotonic() - began
            await asyncio.sleep(0)
            began = time.monotonic()
        return took_s + time.monotonic() - began

    def _sample_in_steps(self) -> Iterator[None]:
        totals = Totals()
        yield from totals.add(self.stats)
        errors: dict[Pair, int] = {}
        for step, ((route, backend, code, _), count) in enumerate(totals.requests.items()):
            if code >= "5":
                errors[route, backend] = errors.get((route, backend), 0) + count
            if step % _STEP == 0:
                yield
        counters: dict[Pair, tuple[list[int], int]] = {}
        while totals.pairs:
            pair, sums = totals.pairs.popitem()
            counters[pair] = sums.duration, errors.get(pair, 0)
            if len(counters) % _STEP == 0:
                yield
        yield from self.traffic.add_in_steps(time.monotonic(), counters, self._sides().side_of)

    def _sides(self) -> Sides:
        return self._parts().sides

    def _parts(self) -> "_TableParts":
        if self._table_parts.snapshot is not self.table.current:
            current = self.table.current
            self._table_parts = _TableParts(current, sides_of(current.table))
        return self._table_parts

    def health(self) -> Health:
        """The health of all monitored backends."""
        return health_in(self.table.current, self.stats.health.read(), time.monotonic())

    # --- viewers --------------------------------------------------------------------------------

    async def _look_forever(self) -> None:
        last: object = None
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self._viewers:
                continue
            seen = (
                id(self.table.current),
                self.table.state,
                self.stats.health.generation,
                self._history.signature(),
            )
            if seen != last:
                last = seen
                self._next_generation()

    def _next_generation(self) -> None:
        self._generation += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @contextmanager
    def viewer(self) -> Iterator[None]:
        """The place of an event stream. Raises TooManyViewers."""
        if self._viewers >= MAX_VIEWERS:
            raise TooManyViewers
        self._viewers += 1
        try:
            yield
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._rendered.clear()

    async def events(self, view: View) -> AsyncIterator[bytes]:
        """The events of one viewer, for at most an hour; its browser connects again."""
        sent: dict[str, str] = {}
        until = time.monotonic() + _STREAM_S
        yield b"retry: 2000\n\n"
        while time.monotonic() < until:
            changed = self._changed
            fragments = (await self.content(view)).fragments
            news = {key: text for key, text in fragments.items() if sent.get(key) != text}
            if ROUTES in news:
                news = fragments
            sent = fragments
            if news:
                yield b"event: fragments\ndata: %b\n\n" % msgspec.json.encode(news)
            try:
                async with asyncio.timeout(_HEARTBEAT_S):
                    await changed.wait()
            except TimeoutError:
                yield b": still here\n\n"

    async def content(self, view: View) -> Content:
        """The live content of a view. Viewers of the same view share it."""
        async with self._rendering:
            known = self._rendered.get(view)
            if known is not None and known[0] == self._generation and self._viewers:
                return known[1]
            made = await self._render(view)
            if self._viewers:
                if len(self._rendered) > MAX_VIEWERS:
                    self._rendered.clear()
                self._rendered[view] = self._generation, made
            return made

    async def _render(self, view: View) -> Content:
        parts = self._parts()
        numbers = await parts.matching(view.search)
        entries = await self._history.newest()
        pages = self.pages
        made = pages.overview(self.table, self.traffic, parts.sides, parts.routes)
        made |= pages.lists(self.stats, parts.snapshot.version, entries)
        if self._replicas is not None:
            made |= pages.replicas(self._replicas.rows())
        await self._parity.refresh()
        health = self.health()
        first = (view.page - 1) * CARDS_PER_PAGE
        shown = numbers[first : first + CARDS_PER_PAGE]
        routes = parts.snapshot.table.routes
        cards = []
        for number in shown:
            report = self._parity.by_route.get(routes[number].name)
            extras = extras_of(routes[number], entries, report)
            cards.append(pages.card(number, routes[number], self.traffic, health, extras))
            await asyncio.sleep(0)
        return pages.content(made, cards, view, len(numbers))


class _TableParts:
    """What the page needs of a table, made once."""

    def __init__(self, snapshot: Snapshot, sides: Sides) -> None:
        self.snapshot = snapshot
        self.sides = sides
        self.routes: dict[str, Route] = {route.name: route for route in snapshot.table.routes}
        self._order: list[int] = []
        self._texts: list[str] = []

    async def matching(self, search: str) -> list[int]:
        """The places of the routes with `search` in their name or path: first those that migrate, in file order."""
        if not self._texts:
            await self._prepare()
        if not search:
            return self._order
        word, found = search.lower(), []
        for step, number in enumerate(self._order, 1):
            if word in self._texts[number]:
                found.append(number)
            if step % _STEP == 0:
                await asyncio.sleep(0)
        return found

    async def _prepare(self) -> None:
        texts: list[str] = []
        migrating: list[int] = []
        others: list[int] = []
        for number, route in enumerate(self.snapshot.table.routes):
            paths = [each.path.value for each in route.matches if each.path is not None]
            texts.append(" ".join((route.name, *paths)).lower())
            (migrating if route.stage is not None else others).append(number)
            if number % _STEP == 0:
                await asyncio.sleep(0)
        self._order, self._texts = [*migrating, *others], texts


class _HistoryReader:
    """The newest entries of the history. The file is read when it has changed, in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: tuple[int, int] | None = None
        self._entries: tuple[Entry, ...] = ()

    def signature(self) -> tuple[int, int]:
        """Changes with the file; (0, 0) without one."""
        try:
            stat = history_path(resolve_links(self._path)).stat()
        except OSError:
            return 0, 0
        return stat.st_mtime_ns, stat.st_size

    async def newest(self) -> tuple[Entry, ...]:
        """Oldest first."""
        signature = self.signature()
        if signature != self._signature:
            self._entries = await asyncio.to_thread(self._read)
            self._signature = signature
        return self._entries

    def _read(self) -> tuple[Entry, ...]:
        try:
            return newest_entries(resolve_links(self._path), _READ_ENTRIES)
        except OSError:
            return ()
