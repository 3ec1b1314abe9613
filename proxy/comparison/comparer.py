"""Compares two responses in slices, so that an event loop between the slices is never held for long.

A live caller runs a comparison beside its other work:

    comparison = comparer.begin(baseline, candidate, accept_encoding)
    while (outcome := comparison.advance()) is None:
        await asyncio.sleep(0)

A slice takes about a millisecond, whatever the bodies are: they are decoded, parsed and compared piece by piece, so no
thread and no process is needed. Run one comparison at a time in a process: parsed bodies take ten times their size.

The baseline is always the incumbent's response and the candidate the newcomer's, whichever of them the client got. For
noise both are the incumbent's (`is_replay`).
"""

from msgspec.structs import replace

from proxy.comparison.body_diff import BodyDiff, Rejected, body_of
from proxy.comparison.differences import Differences
from proxy.comparison.header_diff import HeaderDiff
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import EQUAL, Outcome, Result
from proxy.comparison.pace import Steps
from proxy.comparison.places import rules_tree
from proxy.comparison.problems import NotComparable
from proxy.comparison.redaction import Redaction
from proxy.model import CompareRules, Equivalence


class Comparison:
    """One comparison in progress. An outcome ends it."""

    def __init__(self, steps: Steps[Outcome]) -> None:
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
        self.redaction = Redaction(rules.redact)
        paths = self.redaction.body_paths
        self._root = rules_tree(rules.equal, paths)
        # The incumbent writes both of its responses in its own format.
        self._replay_root = rules_tree(map(_of_incumbent, rules.equal), paths)
        self._headers = HeaderDiff(rules.headers, self.redaction)

    def begin(
        self,
        baseline: Observation,
        candidate: Observation,
        accept_encoding: bytes | None = None,
        *,
        is_replay: bool = False,
    ) -> Comparison:
        """Begin to compare two responses.

        `accept_encoding` is that field of the request, if it had one: a newcomer may not use a coding beyond it.
        """
        return Comparison(self._steps(baseline, candidate, accept_encoding, is_replay))

    def compare(
        self,
        baseline: Observation,
        candidate: Observation,
        accept_encoding: bytes | None = None,
        *,
        is_replay: bool = False,
    ) -> Outcome:
        """The same without pauses."""
        comparison = self.begin(baseline, candidate, accept_encoding, is_replay=is_replay)
        while (outcome := comparison.advance()) is None:
            pass
        return outcome

    def _steps(
        self, left: Observation, right: Observation, accept: bytes | None, is_replay: bool
    ) -> Steps[Outcome]:
        if left.failure or left.status >= 500 or not left.is_ok:
            return Outcome("baseline_invalid", left.failure or _why_invalid(left))
        found = Differences()
        try:
            yield from self._compare(left, right, (accept, is_replay), found)
        except Rejected as error:
            return Outcome("baseline_invalid", error.reason)
        except NotComparable as error:
            return Outcome("not_compared", error.reason)
        # The duration of a response that did not come, or not whole, says nothing.
        if right.failure:
            return Outcome("different", differences=found.all())
        result: Result = "different" if found else "equal"
        is_faster = self._is_slow(right, left)
        if self._is_slow(left, right):
            found.add("body", "slow", _duration(left), _duration(right))
        if not found and not is_faster:
            return EQUAL
        return Outcome(result, differences=found.all(), is_faster=is_faster)

    def _compare(
        self,
        left: Observation,
        right: Observation,
        request: tuple[bytes | None, bool],
        found: Differences,
    ) -> Steps[None]:
        accept, is_replay = request
        if right.failure:
            _add_failure(right, found)
        elif not self._has_same_status(left.status, right.status):
            # The rest of another response is another, too, and says nothing more.
            found.add("status", "status", left.status, right.status)
        else:
            root = self._replay_root if is_replay else self._root
            one, other = body_of(left), body_of(right)
            yield from BodyDiff(self.rules, root, found).compare(one, other)
            _check_codings(one.codings, other.codings, accept, found)
            self._headers.compare(left.headers, right.headers, found)

    def _has_same_status(self, left: int, right: int) -> bool:
        return left == right or (self.rules.status == "class" and left // 100 == right // 100)

    def _is_slow(self, one: Observation, other: Observation) -> bool:
        margin_s = other.duration_s - one.duration_s
        is_longer = margin_s > self.rules.slow_margin_s
        return is_longer and other.duration_s > one.duration_s * self.rules.slow_factor


def _of_incumbent(equal: Equivalence) -> Equivalence:
    return replace(equal, right=equal.left)


def _why_invalid(baseline: Observation) -> str:
    return f"status_{baseline.status}" if baseline.status >= 500 else "not_ok"


def _add_failure(candidate: Observation, found: Differences) -> None:
    if candidate.status:
        found.add("body", "length", None, candidate.failure)
    else:
        found.add("status", "missing", None, candidate.failure)


def _check_codings(
    left: tuple[str, ...], right: tuple[str, ...], accept: bytes | None, found: Differences
) -> None:
    """A coding that the request does not accept is a fault (RFC 9110 12.5.3), unless the incumbent uses it, too."""
    if accept is None or right == left:
        return
    refused = [coding for coding in right if not _accepts(accept, coding)]
    if refused:
        name = "header:content-encoding"
        found.add(name, "encoding", ", ".join(left) or None, ", ".join(right))


def _accepts(field: bytes, coding: str) -> bool:
    weights = {}
    for member in field.decode("latin-1").lower().split(","):
        name, _, parameters = member.strip().partition(";")
        weights[name.strip()] = parameters.replace(" ", "")
    given = weights.get(coding, weights.get("*"))
    return given is not None and given.rstrip("0.") != "q="


def _duration(observation: Observation) -> str:
    return f"{observation.duration_s * 1000:.0f} ms"
