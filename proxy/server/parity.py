"""The parity of all routes over all workers, for the admin listener; and its file, which survives restarts."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from proxy.comparison.cases import RecordedCases
from proxy.comparison.report import ParityReport, parity_report
from proxy.control.parity_file import read_parity, write_parity
from proxy.mirroring.kept_cases import decoded_cases
from proxy.mirroring.kept_parity import ByRoute, decoded, member, merged_parts, setup_of
from proxy.model import Route
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.shared_memory import SharedStats

log = logging.getLogger(__name__)

_WRITE_S = 30.0


class ParityKeeper:
    """The process of the admin listener has one. It alone writes the file."""

    def __init__(
        self,
        table: CurrentTable,
        stats: SharedStats,
        path: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._shared = stats.parity
        self._shared_cases = stats.cases
        self._path = path
        self._clock = clock
        self._restored: ByRoute | None = None
        """The counts of the processes before this facade. None until they are read."""
        self._written = b""
        self._last_fault = ""

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
        """The recorded cases of a route over all workers. None for a route without a comparison."""
        route, report = self._compared_routes().get(name), self.report(name)
        rules = None if route is None or route.mirror is None else route.mirror.compare
        if rules is None or report is None:
            return None
        workers = range(len(self._shared_cases))
        found = [decoded_cases(self._shared_cases.read(number)) for number in workers]
        harmless = [each.path for each in report.differences if not each.counts]
        cases = [case for each in found for case in each.get(name, ())]
        return RecordedCases(name, rules, harmless, cases)

    def counts(self, routes: Iterable[Route] | None = None) -> ByRoute:
        """The counts of these routes, or of all, which those of other replicas can be added to."""
        if routes is None:
            routes = self._compared_routes().values()
        backends = self._table.current.backends
        setups = {route.name: setup_of(route, backends) for route in routes}
        parts = [decoded(self._shared.read(number)) for number in range(len(self._shared))]
        return merged_parts((self._restored or {}, *parts), setups)

    def _report(self, route: Route, counts: ByRoute) -> ParityReport:
        rules = None if route.mirror is None else route.mirror.compare
        if rules is None:
            raise ValueError("a route without a comparison has no parity")
        return parity_report(route.name, rules, counts[route.name].counts, self._clock())

    def _compared_routes(self) -> dict[str, Route]:
        return {
            route.name: route
            for route in self._table.current.table.routes
            if route.mirror is not None and route.mirror.compare is not None
        }

    # --- the file -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the file until cancelled. `Facade.running` owns the task."""
        self._restored = decoded(await asyncio.to_thread(read_parity, self._path))
        while True:
            await asyncio.sleep(_WRITE_S)
            await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Write the counts, if they have changed. It blocks."""
        if self._restored is None:
            return
        counts = self.counts()
        members = [member(name, kept) for name, kept in counts.items() if kept.counts.slices]
        text = b"{%b}\n" % b",\n".join(members)
        if not members or text == self._written:
            return
        fault = write_parity(self._path, text)
        if not fault:
            self._written = text
        elif fault != self._last_fault:
            # A fault that persists is logged once.
            log.warning("the parity of routes is not kept across restarts: %s", fault)
        self._last_fault = fault
