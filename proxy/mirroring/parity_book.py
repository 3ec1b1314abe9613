"""The parity of all routes in one worker: counts what copies show, and publishes the counts for the other processes."""

import asyncio
import logging
import time
from collections.abc import Callable

from msgspec import Struct

from proxy.comparison.parity import Parity
from proxy.comparison.users import user_hash
from proxy.mirroring.case_book import CaseBook
from proxy.mirroring.comparisons import Compared
from proxy.mirroring.copy import Copy
from proxy.mirroring.kept_parity import KeptParity, decoded, member, setup_of
from proxy.model import Route
from proxy.routing.cohort import key_of
from proxy.telemetry.mirror_counters import MirrorCount, MirrorCounters
from proxy.telemetry.shared_parity import SharedParity

log = logging.getLogger(__name__)

_PUBLISH_S = 1.0


class _RouteParity(Struct, frozen=True):
    """The parity of a route, valid for one setup."""

    route: Route
    setup: str
    parity: Parity


class ParityBook:
    """The worker `number`. It continues the counts of the worker before."""

    def __init__(
        self,
        counters: MirrorCounters,
        shared: SharedParity,
        number: int,
        clock: Callable[[], float] = time.time,
        cases: CaseBook | None = None,
    ) -> None:
        self.cases = cases or CaseBook(bytes, lambda _: "")
        self._counters = counters
        self._shared = shared
        self._number = number
        self._clock = clock
        self._before = decoded(shared.read(number))
        """The counts of the worker before, of routes that this one has not counted yet."""
        self._texts = {route: member(route, kept) for route, kept in self._before.items()}
        self._routes: dict[str, _RouteParity] = {}
        self._changed: set[str] = set()
        self._was_too_large = False

    # --- what copies show ---------------------------------------------------------------------------

    def sent(self, copy: Copy, *, replayed: bool) -> None:
        """A copy is sent; with `replayed` also the request a second time to the baseline."""
        self._counters.count(copy.route.name, MirrorCount.SENT)
        if replayed:
            self._counters.count(copy.route.name, MirrorCount.REPLAYED)

    def dropped(self, copy: Copy, reason: str) -> None:
        """A copy ended without a comparison. `reason` is one of `DROPS`."""
        self._counters.count_drop(copy.route.name, reason)
        if copy.mirror.compare is not None:
            self._parity(copy).drop(reason, self._clock())

    def compared(self, compared: Compared) -> None:
        """A copy was compared."""
        copy, outcome, now = compared.copy, compared.outcome, self._clock()
        route, count = copy.route.name, self._counters.count
        if outcome.result == "not_compared":
            self._counters.count_drop(route, "not_compared")
        elif outcome.result == "baseline_invalid":
            count(route, MirrorCount.BASELINE_INVALID)
        else:
            count(route, MirrorCount.COMPARED)
            if outcome.result == "equal":
                count(route, MirrorCount.EQUAL)
        parity = self._parity(copy)
        parity.add(outcome, now, _user(copy))
        if compared.replay is not None:
            parity.add_replay(compared.replay, now)
        self.cases.compared(compared, now)

    def _parity(self, copy: Copy) -> Parity:
        route = copy.route
        self._changed.add(route.name)
        current = self._routes.get(route.name)
        if current is None or current.route is not route:
            setup = setup_of(route, copy.snapshot.backends)
            before = self._before.pop(route.name, None)
            if current is not None and current.setup == setup:
                parity = current.parity
            elif before is not None and before.setup == setup:
                parity = Parity(before.counts)
            else:
                parity = Parity()
            current = self._routes[route.name] = _RouteParity(route, setup, parity)
        return current.parity

    # --- for the other processes --------------------------------------------------------------------

    async def run(self) -> None:
        """Publish changes until cancelled. `Facade.running` owns the task."""
        while True:
            await asyncio.sleep(_PUBLISH_S)
            if self._changed:
                for route in tuple(self._changed):
                    self._encode(route)
                    await asyncio.sleep(0)  # Requests are served in between.
                self._write()

    def publish(self) -> None:
        """Publish all counts."""
        if self._changed:
            for route in tuple(self._changed):
                self._encode(route)
            self._write()

    def _encode(self, name: str) -> None:
        self._changed.discard(name)
        of_route = self._routes[name]
        self._texts[name] = member(name, KeptParity(of_route.setup, of_route.parity.counts))

    def _write(self) -> None:
        """The largest texts are left out if there is no room for all."""
        fitting, room = [], self._shared.room
        for text in sorted(self._texts.values(), key=len):
            room -= len(text) + 1
            if room < 0:
                break
            fitting.append(text)
        is_too_large = len(fitting) < len(self._texts)
        if is_too_large and not self._was_too_large:
            log.warning("there is no room for the parity of all routes: some are not reported")
        self._was_too_large = is_too_large
        self._shared.write(self._number, b"{%b}" % b",".join(fitting))


def _user(copy: Copy) -> int | None:
    """A number for the client's cohort key. The key is kept nowhere."""
    cohort, copied = copy.route.cohort, copy.copied
    if cohort is None or copied is None:
        return None
    found = key_of(cohort, copied.decision.match, copied.facts)
    return None if found is None else user_hash(cohort.salt, found[1].decode("latin-1"))
