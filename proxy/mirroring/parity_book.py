"""The parity of all routes, in the maker of copies: counts what copies show, and publishes it for other processes."""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from proxy.comparison.parity import Parity
from proxy.comparison.users import user_hash
from proxy.mirroring.comparisons import Compared
from proxy.mirroring.copy import Copy
from proxy.mirroring.kept_cases import CasesByRoute, KeptCases, decoded_cases
from proxy.mirroring.kept_parity import ByRoute, KeptParity, decoded, member, setup_of
from proxy.mirroring.published import Published
from proxy.model import CompareRules, Route
from proxy.routing.cohort import key_of
from proxy.routing.mirrored_request import mirror_of
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.mirror_counters import MirrorCount, MirrorCounters
from proxy.telemetry.shared_memory import SharedMirror

log = logging.getLogger(__name__)

_PUBLISH_S = 1.0
_ROUNDS_PER_CASES = 2


class _RouteParity(Struct, frozen=True):
    """The parity of a route, valid for one setup."""

    route: Route
    setup: str
    parity: Parity
    cases: KeptCases


class _Left(Struct, frozen=True):
    """What the process before has left, of routes that this one has not counted yet."""

    counts: ByRoute
    cases: CasesByRoute


class ParityBook:
    """The maker of copies has one. It continues what the process before has left in `shared`."""

    def __init__(
        self,
        counters: MirrorCounters,
        shared: SharedMirror,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._counters = counters
        self._shared = shared
        self._clock = clock
        self._routes: dict[str, _RouteParity] = {}
        self._parity = Published(shared.parity, "parity", self._member)
        self._cases = Published(shared.cases, "cases", self._cases_member)

    # --- what copies show ---------------------------------------------------------------------------

    def sent(self, copy: Copy, *, replayed: bool) -> None:
        """A copy is sent; with `replayed` also the request a second time to the baseline."""
        self._counters.count(copy.route.name, MirrorCount.SENT)
        if replayed:
            self._counters.count(copy.route.name, MirrorCount.REPLAYED)

    def dropped(self, copy: Copy, reason: str) -> None:
        """A copy ended without a comparison. `reason` is one of `DROPS`."""
        self._counters.count_drop(copy.route.name, reason)
        self.missed(copy.route, copy.snapshot, {reason: 1})

    def count_drop(self, route: str, reason: str) -> None:
        """Count a request without a copy. It is none of the route's parity."""
        self._counters.count_drop(route, reason)

    def missed(self, route: Route, snapshot: Snapshot, reasons: Mapping[str, int]) -> None:
        """So many requests, which are counted elsewhere, were not compared, by reason."""
        if mirror_of(route).compare is not None:
            parity, now = self._of(route, snapshot).parity, self._clock()
            for reason, number in reasons.items():
                parity.drop(reason, now, number)

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
        of_route = self._of(copy.route, copy.snapshot)
        of_route.parity.add(outcome, now, _user(copy))
        if compared.replay is not None:
            of_route.parity.add_replay(compared.replay, now)
        if of_route.cases.add(compared, now):
            self._cases.change(route)

    def _of(self, route: Route, snapshot: Snapshot) -> _RouteParity:
        self._parity.change(route.name)
        current = self._routes.get(route.name)
        if current is None or current.route is not route:
            setup = setup_of(route, snapshot.backends)
            if current is not None and current.setup == setup:
                current = replace(current, route=route)
            else:
                current = self._new(route, setup)
            self._routes[route.name] = current
        return current

    def _new(self, route: Route, setup: str) -> _RouteParity:
        name, rules = route.name, mirror_of(route).compare or CompareRules()
        kept, cases = self._left.counts.pop(name, None), self._left.cases.pop(name, None)
        return _RouteParity(
            route,
            setup,
            Parity(kept.counts if kept is not None and kept.setup == setup else None),
            KeptCases(rules, cases.cases if cases is not None and cases.setup == setup else ()),
        )

    @functools.cached_property
    def _left(self) -> _Left:
        """Read when the first copy is counted: until then the facade may restore it from its file."""
        shared = self._shared
        left = _Left(decoded(shared.parity.read()), decoded_cases(shared.cases.read()))
        self._parity.keep({name: member(name, kept) for name, kept in left.counts.items()})
        self._cases.keep({name: member(name, kept) for name, kept in left.cases.items()})
        return left

    # --- for the other processes --------------------------------------------------------------------

    async def run(self) -> None:
        """Publish changes until cancelled. The owner of the maker of copies owns the task."""
        rounds = 0
        while True:
            await asyncio.sleep(_PUBLISH_S)
            rounds += 1
            published = (
                (self._parity, self._cases) if rounds % _ROUNDS_PER_CASES == 0 else (self._parity,)
            )
            for each in published:
                for route in each.changed():
                    each.encode(route)
                    await asyncio.sleep(0)  # Copies are sent in between.
                each.write()

    def publish(self) -> None:
        """Publish everything."""
        for each in (self._parity, self._cases):
            for route in each.changed():
                each.encode(route)
            each.write()

    def _member(self, name: str) -> bytes:
        of_route = self._routes[name]
        return member(name, KeptParity(of_route.setup, of_route.parity.counts))

    def _cases_member(self, name: str) -> bytes:
        of_route = self._routes[name]
        return member(name, of_route.cases.kept(of_route.setup))


def _user(copy: Copy) -> int | None:
    """A number for the client's cohort key. The key is kept nowhere."""
    cohort, request = copy.route.cohort, copy.request
    if cohort is None:
        return None
    found = key_of(cohort, request.decision.match, request.facts)
    return None if found is None else user_hash(cohort.salt, found[1].decode("latin-1"))
