"""The parity of all routes in one worker: counts what copies show, and publishes the counts for the other processes."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from proxy.comparison.parity import Parity
from proxy.comparison.users import user_hash
from proxy.mirroring.comparisons import Compared
from proxy.mirroring.copy import Copy
from proxy.mirroring.kept_cases import KeptCases
from proxy.mirroring.kept_parity import KeptParity, decoded, member, setup_of
from proxy.model import CompareRules, Route
from proxy.routing.cohort import key_of
from proxy.telemetry.mirror_counters import MirrorCount, MirrorCounters
from proxy.telemetry.shared_parity import SharedParity

log = logging.getLogger(__name__)

_PUBLISH_S = 1.0
_ROUNDS_PER_CASES = 2


class _RouteParity(Struct, frozen=True):
    """The parity of a route, valid for one setup."""

    route: Route
    setup: str
    parity: Parity
    cases: KeptCases


class ParityBook:
    """The worker `number`. It continues the counts of the worker before."""

    def __init__(
        self,
        counters: MirrorCounters,
        shared: SharedParity,
        shared_cases: SharedParity,
        number: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._counters = counters
        self._shared = shared
        self._shared_cases = shared_cases
        self._number = number
        self._clock = clock
        self._before = decoded(shared.read(number))
        """The counts of the worker before, of routes that this one has not counted yet."""
        self._texts = {route: member(route, kept) for route, kept in self._before.items()}
        self._routes: dict[str, _RouteParity] = {}
        self._changed: set[str] = set()
        self._case_texts: dict[str, bytes] = {}
        self._with_new_cases: set[str] = set()
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
            self._of(copy).parity.drop(reason, self._clock())

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
        of_route = self._of(copy)
        of_route.parity.add(outcome, now, _user(copy))
        if compared.replay is not None:
            of_route.parity.add_replay(compared.replay, now)
        if of_route.cases.add(compared, now):
            self._with_new_cases.add(route)

    def _of(self, copy: Copy) -> _RouteParity:
        route = copy.route
        self._changed.add(route.name)
        current = self._routes.get(route.name)
        if current is None or current.route is not route:
            setup = setup_of(route, copy.snapshot.backends)
            before = self._before.pop(route.name, None)
            if current is not None and current.setup == setup:
                current = replace(current, route=route)
            else:
                counts = before.counts if before is not None and before.setup == setup else None
                cases = KeptCases(copy.mirror.compare or CompareRules())
                current = _RouteParity(route, setup, Parity(counts), cases)
            self._routes[route.name] = current
        return current

    # --- for the other processes --------------------------------------------------------------------

    async def run(self) -> None:
        """Publish changes until cancelled. `Facade.running` owns the task."""
        rounds = 0
        while True:
            await asyncio.sleep(_PUBLISH_S)
            rounds += 1
            if self._with_new_cases and rounds % _ROUNDS_PER_CASES == 0:
                await self._publish_cases()
            if self._changed:
                for route in tuple(self._changed):
                    self._encode(route)
                    await asyncio.sleep(0)  # Requests are served in between.
                self._write()

    async def _publish_cases(self) -> None:
        for route in tuple(self._with_new_cases):
            self._with_new_cases.discard(route)
            self._case_texts[route] = self._routes[route].cases.member(route)
            await asyncio.sleep(0)  # Requests are served in between.
        self._shared_cases.write(self._number, _joined(self._case_texts, self._shared_cases.room))

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
        text = _joined(self._texts, self._shared.room)
        is_too_large = len(text) < sum(map(len, self._texts.values()))
        if is_too_large and not self._was_too_large:
            log.warning("there is no room for the parity of all routes: some are not reported")
        self._was_too_large = is_too_large
        self._shared.write(self._number, text)


def _joined(members: Mapping[str, bytes], room: int) -> bytes:
    """A JSON object of the members. The largest are left out if there is no room for all."""
    fitting = []
    for each in sorted(members.values(), key=len):
        room -= len(each) + 1
        if room < 0:
            break
        fitting.append(each)
    return b"{%b}" % b",".join(fitting)


def _user(copy: Copy) -> int | None:
    """A number for the client's cohort key. The key is kept nowhere."""
    cohort, copied = copy.route.cohort, copy.copied
    if cohort is None or copied is None:
        return None
    found = key_of(cohort, copied.decision.match, copied.facts)
    return None if found is None else user_hash(cohort.salt, found[1].decode("latin-1"))
