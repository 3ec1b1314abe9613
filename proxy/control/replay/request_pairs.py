"""Recorded requests of one route as they are sent to both of its backends. Pure."""

from msgspec import Struct
from msgspec.structs import replace

from proxy.comparison.cases import CaseRequest, case_request
from proxy.comparison.redaction import Redaction
from proxy.control.replay.har import SentRequest
from proxy.control.replay.recorded_requests import LoggedRequest, facts_of_recorded
from proxy.errors import BadRequest, FacadeError
from proxy.model import SAFE_METHODS, Body, Facts, HeaderPairs, MatchedRoute, Outgoing, Route
from proxy.routing.decide import decision_for
from proxy.routing.mirrored_request import mirrored_request
from proxy.routing.resolve import resolve
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import NO_IDENTITY

_NOT_SENT = frozenset(
    (b"connection", b"content-length", b"host", b"te", b"transfer-encoding", b"upgrade")
)
_PLAIN = SAFE_METHODS - {"TRACE", "OPTIONS"}


class RequestPair(Struct, frozen=True):
    """One recorded request, as it goes to the incumbent and to the newcomer."""

    method: str
    host: str
    target: str
    """As the client sent it."""
    left: Outgoing
    right: Outgoing

    @property
    def case_request(self) -> CaseRequest:
        return case_request(self.method, self.target, self.left.headers)

    @property
    def accept_encoding(self) -> bytes | None:
        found = [value for name, value in self.left.headers if name == b"accept-encoding"]
        return b", ".join(found) if found else None


class PairCollector:
    """Collects the different requests that a route takes, up to `limit`."""

    def __init__(self, snapshot: Snapshot, route: Route, redaction: Redaction, limit: int) -> None:
        self._snapshot = snapshot
        self._route = route
        self._redaction = redaction
        self._limit = limit
        self._keys: set[tuple[str, str, str]] = set()
        self.pairs: list[RequestPair] = []
        self.unsafe = 0
        """Requests that may change something: they are never sent."""
        self.elsewhere = 0
        """Requests that another route takes, or none."""
        self.secret = 0
        """Requests whose log or target lacks or has a secret, so that they cannot be sent again."""
        self.left_out = 0
        """Different requests beyond the limit."""

    def take_logged(self, logged: LoggedRequest, _: int = 0) -> None:
        """A request of an access log. Raises Unreadable."""
        if not logged.host:
            logged = replace(logged, host="localhost")
        self._take(facts_of_recorded(logged))

    def take_sent(self, sent: SentRequest) -> None:
        """A request of another file."""
        path, question, query = sent.target.partition("?")
        host = sent.host.encode("latin-1", "replace") or b"localhost"
        headers: HeaderPairs = [(b"host", host)]
        headers += [
            (name.encode("latin-1", "replace"), value.encode("utf-8", "replace"))
            for name, value in sent.headers
            if name.encode("latin-1", "replace") not in _NOT_SENT
        ]
        facts = Facts(sent.method, host, path.encode(), query.encode(), headers, "127.0.0.1")
        self._take(replace(facts, has_query=bool(question)))

    def _take(self, facts: Facts) -> None:
        if facts.method not in _PLAIN:
            self.unsafe += 1
            return
        matched = resolve(self._snapshot.index, facts).matched
        if matched is None or matched.route.name != self._route.name:
            self.elsewhere += 1
            return
        target = facts.path.decode("latin-1")
        if facts.has_query or facts.query:
            target += f"?{facts.query.decode('latin-1')}"
        if self._redaction.hides(target) or "(redacted)" in target:
            self.secret += 1
            return
        host = facts.host.decode("latin-1")
        key = (facts.method, host, target)
        if key in self._keys:
            return
        if len(self._keys) >= self._limit:
            self.left_out += 1
            return
        self._keys.add(key)
        try:
            self.pairs.append(self._pair(matched, facts, target))
        except BadRequest:  # A value of the request cannot be a part of a rewritten path.
            self.elsewhere += 1

    def _pair(self, matched: MatchedRoute, facts: Facts, target: str) -> RequestPair:
        kept = {name.encode() for name, _ in self._redaction.kept_fields(facts.headers)}
        facts = replace(facts, headers=[pair for pair in facts.headers if pair[0].lower() in kept])
        served = decision_for(matched, facts, (0, "compare"))
        table, backends = self._snapshot.table, self._snapshot.backends
        left, right = (
            mirrored_request(table, served, backends[ref.backend], facts, NO_IDENTITY, Body("none"))
            for ref in matched.route.backend_refs[:2]
        )
        return RequestPair(facts.method, facts.host.decode("latin-1"), target, left, right)


def route_to_compare(snapshot: Snapshot, name: str) -> Route:
    """The route of this name. Raises FacadeError."""
    for route in snapshot.table.routes:
        if route.name == name:
            if len(route.backend_refs) < 2:
                raise FacadeError(f"facade: the route {name!r} has no newcomer to compare with")
            return route
    names = ", ".join(route.name for route in snapshot.table.routes[:10])
    raise FacadeError(f"facade: there is no route {name!r}: the table has {names}")
