"""The parity of all routes, for the admin listener; and the files that keep it, with the cases, across restarts."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from proxy.comparison.cases import RecordedCases
from proxy.comparison.replicas import RouteCounts
from proxy.comparison.report import ParityReport, parity_report
from proxy.control.kept_file import Kept, read_kept, write_kept
from proxy.mirroring.kept_cases import decoded_cases
from proxy.mirroring.kept_parity import ByRoute, decoded, of_setups, setup_of
from proxy.model import CompareRules, Route
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.shared_memory import SharedMirror
from proxy.telemetry.shared_text import SharedText

log = logging.getLogger(__name__)

_WRITE_S = 30.0


class ParityKeeper:
    """The process of the admin listener has one. It alone writes the files."""

    def __init__(
        self,
        table: CurrentTable,
        shared: SharedMirror,
        path: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Restores what the files have, before the first copy is made. It blocks for a moment."""
        self._table = table
        self._shared = shared
        self._clock = clock
        self._files = (
            _KeptText(shared.parity, path, "parity"),
            _KeptText(shared.cases, path, "cases"),
        )
        for each in self._files:
            each.restore()

    def report(self, name: str) -> ParityReport | None:
        """None for a route without a comparison. It takes long: call it in a thread."""
        route = self._compared_routes().get(name)
        return None if route is None else self._report(route, self.counts([route]))

    def reports(self) -> list[ParityReport]:
        """The reports of all routes with a comparison. It takes long: call it in a thread."""
        routes = self._compared_routes().values()
        counts = self.counts(routes)
        return [self._report(route, counts) for route in routes]

    def cases(self, name: str) -> RecordedCases | None:
        """The recorded cases of a route. None for a route without a comparison."""
        route, report = self._compared_routes().get(name), self.report(name)
        if route is None or report is None:
            return None
        kept = decoded_cases(self._shared.cases.read()).get(name)
        is_current = kept is not None and kept.setup == setup_of(
            route, self._table.current.backends
        )
        harmless = [each.path for each in report.differences if not each.counts]
        cases = list(kept.cases) if kept is not None and is_current else []
        return RecordedCases(name, _rules(route), harmless, cases)

    def route_counts(self, name: str) -> RouteCounts | None:
        """The counts of one route, for a report over several facades. None for a route without a comparison."""
        route = self._compared_routes().get(name)
        if route is None:
            return None
        kept = self.counts([route])[name]
        return RouteCounts(name, kept.setup, _rules(route), kept.counts)

    def counts(self, routes: Iterable[Route] | None = None) -> ByRoute:
        """The counts of these routes, or of all, which those of other replicas can be added to."""
        if routes is None:
            routes = self._compared_routes().values()
        backends = self._table.current.backends
        setups = {route.name: setup_of(route, backends) for route in routes}
        return of_setups(decoded(self._shared.parity.read()), setups)

    def _report(self, route: Route, counts: ByRoute) -> ParityReport:
        return parity_report(route.name, _rules(route), counts[route.name].counts, self._clock())

    def _compared_routes(self) -> dict[str, Route]:
        return {
            route.name: route
            for route in self._table.current.table.routes
            if route.mirror is not None and route.mirror.compare is not None
        }

    # --- the files ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the files until cancelled. `Facade.running` owns the task."""
        while True:
            await asyncio.sleep(_WRITE_S)
            await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Write what has changed. It blocks."""
        names = self._compared_routes().keys()
        for each in self._files:
            each.write(names)


class _KeptText(Struct):
    """A text in shared memory, and its file."""

    shared: SharedText
    table: Path
    kept: Kept
    written: bytes | None = None
    last_fault: str = ""

    def restore(self) -> None:
        """Put what the file has into the memory, unless a process has published there."""
        if self.shared.read() is None:
            text = read_kept(self.table, self.kept)
            if text and len(text) <= self.shared.room:
                self.shared.write(text)
        self.written = self.shared.read()

    def write(self, routes: Iterable[str]) -> None:
        """Write the members of these routes, if the text has changed."""
        text = self.shared.read()
        if text is None or text == self.written:
            return
        fault = write_kept(self.table, self.kept, _members(text, routes))
        if not fault:
            self.written = text
        elif fault != self.last_fault:
            # A fault that persists is logged once.
            log.warning("the %s of routes is not kept across restarts: %s", self.kept, fault)
        self.last_fault = fault


def _members(text: bytes, routes: Iterable[str]) -> bytes:
    """The object with the members of these routes only, one on each line."""
    found = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    lines = (
        b"%b:%b" % (msgspec.json.encode(name), bytes(found[name]))
        for name in routes
        if name in found
    )
    return b"{%b}\n" % b",\n".join(lines)


def _rules(route: Route) -> CompareRules:
    rules = None if route.mirror is None else route.mirror.compare
    if rules is None:
        raise ValueError("a route without a comparison has no parity")
    return rules
