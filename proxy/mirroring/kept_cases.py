"""The recorded cases of one route: redacted requests with the incumbent's response, for tests."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from proxy.comparison.cases import Case, CaseStore, case_request
from proxy.mirroring.comparisons import Compared
from proxy.model import CompareRules

_MAX_BYTES = 256 * 1024
"""Of the bodies together."""


class RouteCases(Struct, frozen=True):
    """The cases of one route."""

    setup: str
    """What they depend on, the rules of redaction included (`setup_of`). Those of another setup are not kept."""
    cases: Sequence[Case]


CasesByRoute = dict[str, RouteCases]


class KeptCases:
    """At most `store_mismatches` that differed, 60 that did not, and `_MAX_BYTES` of bodies.

    `cases` are those of the process before.
    """

    def __init__(self, rules: CompareRules, cases: Sequence[Case] = ()) -> None:
        self._store = CaseStore(rules, cases)
        self._kept_bytes = sum(len(msgspec.json.encode(each.body)) for each in self._store.cases)

    def add(self, compared: Compared, now: float) -> bool:
        """Keep a compared request, if there is room for one of its kind. Returns whether it was kept."""
        facts, size = compared.copy.request.facts, len(compared.baseline.body)
        if self._kept_bytes + size > _MAX_BYTES:
            return False
        target = facts.path + (b"?" + facts.query if facts.query else b"")
        request = case_request(facts.method, target.decode("latin-1"), facts.headers)
        if not self._store.add(request, compared.baseline, compared.outcome, now):
            return False
        self._kept_bytes += size
        return True

    def kept(self, setup: str) -> RouteCases:
        """The cases, as they are published and kept."""
        return RouteCases(setup, self._store.cases)


def decoded_cases(text: bytes | None) -> CasesByRoute:
    """The cases in a text; empty if it cannot be read."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=CasesByRoute)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
