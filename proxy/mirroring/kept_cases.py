"""The recorded cases of one route in one worker: redacted requests with the incumbent's response, for tests."""

import msgspec

from proxy.comparison.cases import Case, CaseRequest, CaseStore
from proxy.mirroring.comparisons import Compared
from proxy.model import CompareRules

_MAX_BYTES = 256 * 1024
"""Of the bodies together."""
_SENT_AGAIN = frozenset((b"accept", b"accept-language", b"origin", b"content-type"))
"""The fields of a request that its response may depend on, and that name nobody."""
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
        facts, before = copied.facts, len(self._store.cases)
        target = facts.path + (b"?" + facts.query if facts.query else b"")
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in facts.headers
            if name in _SENT_AGAIN
        )
        request = CaseRequest(facts.method, target.decode("latin-1"), headers)
        self._store.add(request, compared.baseline, compared.outcome, now)
        if len(self._store.cases) == before:
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
