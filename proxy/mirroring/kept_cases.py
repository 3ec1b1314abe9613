"""The recorded cases of one route in one worker: redacted requests with the incumbent's response, for tests."""

import msgspec

from proxy.comparison.cases import Case, CaseStore, case_request
from proxy.mirroring.comparisons import Compared
from proxy.model import CompareRules

_MAX_BYTES = 256 * 1024
"""Of the bodies together."""
CasesByRoute = dict[str, list[Case]]


class KeptCases:
    """At most `store_mismatches` that differed, 60 that did not, and `_MAX_BYTES` of bodies."""

    def __init__(self, rules: CompareRules) -> None:
        self._store = CaseStore(rules)
        self._kept_bytes = 0

    def add(self, compared: Compared, now: float) -> bool:
        """Keep a compared request, if there is room for one of its kind. Returns whether it was kept."""
        copied, size = compared.copy.copied, len(compared.baseline.body)
        if copied is None or self._kept_bytes + size > _MAX_BYTES:
            return False
        facts = copied.facts
        target = facts.path + (b"?" + facts.query if facts.query else b"")
        request = case_request(facts.method, target.decode("latin-1"), facts.headers)
        if not self._store.add(request, compared.baseline, compared.outcome, now):
            return False
        self._kept_bytes += size
        return True

    def member(self, route: str) -> bytes:
        """One member of the JSON object that `decoded_cases` reads."""
        return b"%b:%b" % (msgspec.json.encode(route), msgspec.json.encode(self._store.cases))


def decoded_cases(text: bytes | None) -> CasesByRoute:
    """The cases in a text; empty if it cannot be read."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=CasesByRoute)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
