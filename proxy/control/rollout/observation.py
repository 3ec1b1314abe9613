"""The figures of the step that a runner waits in: asked once a second, judged once an interval."""

from msgspec import Struct

from proxy.analysis.verdicts import FALSE_ALARMS, PARITY, applicable, judge, measure
from proxy.control.rollout.admins import Admins, TokenRefused
from proxy.control.rollout.machine import MAX_BLIND_LOOKS, Look, newcomer_weight
from proxy.control.rollout.window import (
    Pair,
    Reports,
    Window,
    after,
    open_breaker,
    other_table,
    sides,
)
from proxy.model import Analysis, Rollout, Route

_REPORTS_S = 1.0
_GRACE_S = 180.0
"""How long all replicas may take to serve the table of a new step. A ConfigMap takes up to 90 s to reach the pods."""


class Observed(Struct, frozen=True):
    """What is known of the step."""

    begun: float
    look: Look | None = None
    is_new: bool = False
    """Whether this look was not there before."""
    open_breaker: str = ""
    note: str = ""


class StepObservation:
    """Observes one step. The runner makes another one for the next."""

    def __init__(self, admins: Admins, now: float) -> None:
        self._admins = admins
        self._entered = now
        self._window: Window = {}
        self._begun: float | None = None
        self._asked = float("-inf")
        self._looked = now
        self._look: Look | None = None
        self._missing = ""
        self._breaker = ""

    async def observe(self, route: Route, version: str, now: float) -> Observed:
        """Ask if a second has passed, and judge if an interval has. Raises TokenRefused the first time only."""
        rollout = route.rollout
        assert rollout is not None
        if now - self._asked < _REPORTS_S:
            return self._observed(is_new=False)
        is_first, self._asked = self._asked < 0, now
        reports = await self._reports(route, rollout, is_first=is_first)
        pair = Pair(route.name, *(ref.backend for ref in route.backend_refs))
        self._breaker = open_breaker(reports.reports, pair.new) if newcomer_weight(route) else ""
        self._missing = reports.missing or other_table(reports.reports, version)
        if self._begun is None:
            self._begin(reports, pair, now)
            return self._observed(is_new=self._look is not None)
        if not self._missing:
            self._window = after(self._window, reports.reports, pair)
        analysis = rollout.analysis
        if analysis is None or now - self._looked < analysis.interval_s:
            return self._observed(is_new=False)
        self._looked = now
        self._look = self._judged(route, rollout, analysis, reports)
        return self._observed(is_new=True)

    def _begin(self, reports: Reports, pair: Pair, now: float) -> None:
        """The counters begin when all replicas serve the table of this step."""
        if not self._missing:
            self._window = after({}, reports.reports, pair)
            self._begun = self._looked = now
        elif now - self._entered > _GRACE_S:
            self._begun = now
            self._look = Look((), self._missing, MAX_BLIND_LOOKS)

    async def _reports(self, route: Route, rollout: Rollout, *, is_first: bool) -> Reports:
        metrics = () if rollout.analysis is None else rollout.analysis.metrics
        with_parity = any(each.name == PARITY for each in metrics)
        alpha = FALSE_ALARMS / rollout.judged
        try:
            return await self._admins.reports(route.name, alpha, with_parity=with_parity)
        except TokenRefused as error:
            if is_first:
                raise
            return Reports(missing=str(error))

    def _judged(self, route: Route, rollout: Rollout, analysis: Analysis, reports: Reports) -> Look:
        measures = [measure(each.name, each.condition) for each in analysis.metrics]
        both, alpha = sides(self._window, reports.parity), FALSE_ALARMS / rollout.judged
        verdicts = tuple(
            judge(each, both, analysis.min_requests, alpha)
            for each in applicable(measures, newcomer_weight(route))
        )
        blind = 0 if self._look is None else self._look.blind
        return Look(verdicts, self._missing, blind + 1 if self._missing else 0)

    def _observed(self, *, is_new: bool) -> Observed:
        begun = self._asked if self._begun is None else self._begun
        return Observed(begun, self._look, is_new, self._breaker, self._missing)
