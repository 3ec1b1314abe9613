"""The parity of all routes in one worker: counts what copies show, and publishes the counts for the other processes."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from proxy.comparison.parity import Parity, ParityCounts
from proxy.comparison.users import user_hash
from proxy.mirroring.comparisons import Compared
from proxy.mirroring.copy import Copy
from proxy.routing.cohort import key_of
from proxy.telemetry.mirror_counters import MirrorCount, MirrorCounters
from proxy.telemetry.shared_parity import SharedParity

log = logging.getLogger(__name__)

_PUBLISH_S = 1.0
CountsByRoute = dict[str, ParityCounts]


class ParityBook:
    """The worker `number`. It continues the counts of the worker before."""

    def __init__(
        self,
        counters: MirrorCounters,
        shared: SharedParity,
        number: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._counters = counters
        self._shared = shared
        self._number = number
        self._clock = clock
        before = decoded_counts(shared.read(number))
        self._routes = {route: Parity(counts=counts) for route, counts in before.items()}
        self._texts: dict[str, bytes] = {}
        self._changed: set[str] = set(before)
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
            self._parity(copy.route.name).drop(reason, self._clock())

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
        parity = self._parity(route)
        parity.add(outcome, now, _user(copy))
        if compared.replay is not None:
            parity.add_replay(compared.replay, now)

    def _parity(self, route: str) -> Parity:
        self._changed.add(route)
        parity = self._routes.get(route)
        if parity is None:
            parity = self._routes[route] = Parity()
        return parity

    # --- for the other processes --------------------------------------------------------------------

    async def run(self) -> None:
        """Publish changes until cancelled. `Facade.running` owns the task."""
        while True:
            await asyncio.sleep(_PUBLISH_S)
            if self._changed:
                await self._encode_changed()
                self.publish()

    async def _encode_changed(self) -> None:
        for route in tuple(self._changed):
            self._encode(route)
            await asyncio.sleep(0)  # Requests are served in between.

    def _encode(self, route: str) -> None:
        self._changed.discard(route)
        member = msgspec.json.encode(route), msgspec.json.encode(self._routes[route].counts)
        self._texts[route] = b"%b:%b" % member

    def publish(self) -> None:
        """Publish all counts. Those of routes for which there is no room are left out."""
        for route in tuple(self._changed):
            self._encode(route)
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


def decoded_counts(text: bytes | None) -> CountsByRoute:
    """The counts in a text of `ParityBook.publish`; empty if it cannot be read."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=CountsByRoute)
    except msgspec.DecodeError:
        return {}


def _user(copy: Copy) -> int | None:
    """A number for the client's cohort key. The key is kept nowhere."""
    cohort, copied = copy.route.cohort, copy.copied
    if cohort is None or copied is None:
        return None
    found = key_of(cohort, copied.decision.match, copied.facts)
    return None if found is None else user_hash(cohort.salt, found[1].decode("latin-1"))
