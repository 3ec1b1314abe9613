"""Recorded requests with the incumbent's response: those that differed, and a sample of the others.

They are redacted and bounded. `facade export-cases` writes them as tests.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from proxy.comparison.body_text import codec_of, media_type, text_of
from proxy.comparison.content_coding import codings_of
from proxy.comparison.header_diff import members
from proxy.comparison.json_reader import Json, read_json
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import Outcome
from proxy.comparison.pace import Pace
from proxy.comparison.places import Node, rules_tree
from proxy.comparison.problems import Unusable
from proxy.comparison.redaction import REDACTED, Redaction, is_secret_name
from proxy.model import CompareRules, HeaderPairs

MAX_BODY = 32 * 1024
"""Bytes of a body that is kept."""
_IN_STRATUM = 3
_MAX_EQUAL = 60
_MAX_DEPTH = 30
_FIELDS = frozenset((b"accept", b"accept-language", b"content-type", b"origin"))
_DIGITS = re.compile(r"[0-9]")


class CaseRequest(Struct, frozen=True):
    """A request as a client sent it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()


def case_request(method: str, target: str, headers: HeaderPairs) -> CaseRequest:
    """The request of a case, with the fields on which responses usually depend."""
    texts = (
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in headers
        if name in _FIELDS
    )
    return CaseRequest(method, target, tuple(texts))


class Case(Struct, frozen=True):
    """A request with the incumbent's response."""

    request: CaseRequest
    status: int
    fields: tuple[tuple[str, tuple[str, ...]], ...]
    """The members of the fields that are compared."""
    has_json: bool
    body: Json
    """The JSON of the body, redacted; None for another body."""
    places: tuple[str, ...] = ()
    """The kinds and paths of the differences. Empty: the responses were equal."""
    recorded_at: float = 0.0


class CaseStore:
    """The cases of one route, at most `store_mismatches` that differed, and 60 that did not.

    Each stratum has up to three: a set of differences; or a status with the shape of a path. So a rare one is kept
    beside a frequent one.
    """

    def __init__(self, rules: CompareRules, cases: Iterable[Case] = ()) -> None:
        """`cases` were recorded before, by the same rules."""
        self._rules = rules
        self._redaction = Redaction(rules.redact)
        self._root = rules_tree((), self._redaction.body_paths)
        self._strata: dict[tuple[object, ...], int] = {}
        self._numbers = {True: 0, False: 0}
        self.cases: list[Case] = [
            each for each in cases if self._take(each.request, each.status, each.places)
        ]

    def add(
        self, request: CaseRequest, baseline: Observation, outcome: Outcome, now: float
    ) -> bool:
        """Keep a compared request, if there is room for one of its kind. Whether it is kept."""
        if outcome.result not in ("equal", "different") or baseline.failure:
            return False
        if self._redaction.hides(request.target):
            return False
        places = tuple(
            f"{each.kind} {each.path}" for each in outcome.differences if each.kind != "slow"
        )
        if not self._take(request, baseline.status, places):
            return False
        self.cases.append(self._case(request, baseline, places, now))
        return True

    def _take(self, request: CaseRequest, status: int, places: tuple[str, ...]) -> bool:
        """Whether there is room for a case. It is taken then."""
        stratum = (request.method, _shape(request.target), places or status)
        most = self._rules.store_mismatches if places else _MAX_EQUAL
        if self._strata.get(stratum, 0) >= _IN_STRATUM or self._numbers[bool(places)] >= most:
            return False
        self._strata[stratum] = self._strata.get(stratum, 0) + 1
        self._numbers[bool(places)] += 1
        return True

    def _case(
        self, request: CaseRequest, baseline: Observation, places: tuple[str, ...], now: float
    ) -> Case:
        headers = tuple(
            (name, value)
            for name, value in request.headers
            if not self._redaction.is_secret_field(name)
        )
        fields = tuple(
            (name, tuple(members(baseline.headers, name)))
            for name in self._rules.headers
            if not self._redaction.is_secret_field(name)
        )
        body, has_json = self._body(baseline)
        kept = CaseRequest(request.method, request.target, headers)
        return Case(kept, baseline.status, fields, has_json, body, places, now)

    def _body(self, baseline: Observation) -> tuple[Json, bool]:
        """The JSON of a body, and whether it has one."""
        types = [value for name, value in baseline.headers if name == b"content-type"]
        is_coded = codings_of([v for name, v in baseline.headers if name == b"content-encoding"])
        is_json = self._rules.body == "json" and media_type(b"".join(types[:1]))[0].endswith("json")
        if is_coded or not is_json or not baseline.is_whole or len(baseline.body) > MAX_BODY:
            return None, False
        try:
            text = text_of(baseline.body, codec_of(types[0]))
            steps = read_json(text, Pace())
            while True:
                next(steps)
        except StopIteration as end:
            body = _without_secrets(end.value, self._root, _MAX_DEPTH)
            return (body, True) if _is_writable(body) else (None, False)
        except Unusable:
            return None, False


def _is_writable(value: Json) -> bool:
    """Whether a file can hold the value: not with lone surrogates."""
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return False
    return True


def _shape(target: str) -> str:
    """A path with a placeholder for each segment that has a digit, without its query."""
    segments = target.partition("?")[0].split("/")
    return "/".join("{}" if _DIGITS.search(segment) else segment for segment in segments)


def _without_secrets(value: Json, node: Node, depth: int) -> Json:
    """The value with secrets replaced, and with what is too deep."""
    if node.is_redacted or not depth:
        return REDACTED
    if type(value) is list:
        return [_without_secrets(each, node.item(at), depth - 1) for at, each in enumerate(value)]
    if type(value) is dict:
        return {
            name: REDACTED
            if is_secret_name(name)
            else _without_secrets(each, node.member(name), depth - 1)
            for name, each in value.items()
        }
    return value


class RecordedCases(Struct):
    """A file of cases."""

    route: str
    rules: CompareRules
    noise: list[str] = field(default_factory=list)
    """The paths that are noise or declared differences."""
    cases: list[Case] = field(default_factory=list)
