"""The effect of a new table on recorded traffic: each request is routed by both tables, with the same draw.

Memory does not grow with the traffic: one tally is kept for each kind of move, with a few examples.
"""

from collections.abc import Iterator, Sequence

from msgspec import UNSET, Struct
from msgspec.structs import replace

from proxy.control.replay.recorded_requests import LoggedRequest, facts_of_recorded, known_of
from proxy.errors import BadRequest, FacadeError
from proxy.http1.local_reply import OPTIONS_REPLY
from proxy.model import ALL_BP, Facts, HashKey, Known, Moment, Route, RouteTable
from proxy.routing.decide import decide, fixed_choice
from proxy.routing.direct_response import direct_response
from proxy.routing.logged_names import names_of_matches, names_that_rules_read
from proxy.routing.match import Index
from proxy.routing.mirrored_request import mirror_of
from proxy.routing.predicates import text
from proxy.routing.resolve import resolve

_EXAMPLES = 3
_EXAMPLE_LENGTH = 200
_MAX_MOVES = 10_000
_MAX_VERSIONS = 1_000
_OTHERS = "(others)"


class Side(Struct, frozen=True):
    """One of the two tables."""

    table: RouteTable
    index: Index
    version: str = ""


class Destination(Struct, frozen=True):
    """The destination of a request. `to` is a backend, or the status of a response by the facade itself."""

    route: str | None
    to: str
    path: bytes = b""
    host: str | None = None
    """The rewritten host, if the route rewrites it."""
    query: bytes | None = None
    """The query, if the route rewrites it."""
    copied_bp: int = 0
    """The percentage of such requests that another backend gets a copy of."""

    @property
    def sent(self) -> tuple[bytes, str | None, bytes | None]:
        """What the backend gets."""
        return self.path, self.host, self.query


class Move(Struct, frozen=True, order=True):
    """A kind of move. A route is "" if no route matched the request."""

    old_route: str
    new_route: str
    from_: str
    to: str

    @property
    def routes(self) -> str:
        """Both routes as text; one name if they are the same."""
        old, new = self.old_route or "(none)", self.new_route or "(none)"
        return old if old == new else f"{old} -> {new}"


class Tally(Struct):
    """The requests of one kind of move. Mutable: it is updated with each line."""

    expected: bool
    requests: int = 0
    examples: list[str] = []


class Expected(Struct, frozen=True):
    """Moves that `--expect` allows: of a route, between two destinations, or both. None matches any."""

    route: str | None = None
    from_: str | None = None
    to: str | None = None

    def allows(self, move: Move) -> bool:
        return (
            self.route in (None, move.old_route, move.new_route)
            and self.from_ in (None, move.from_)
            and self.to in (None, move.to)
        )


def parse_expected(argument: str, tables: Sequence[RouteTable]) -> Expected | None:
    """Parse `ROUTE`, `FROM:TO` or `ROUTE=FROM:TO`, where `->` may replace the colon. Returns None for `none`.

    Raises FacadeError for a name that is in neither table.
    """
    if argument == "none":
        return None
    routes = {route.name for table in tables for route in table.routes}
    backends = {backend.name for table in tables for backend in table.backends}
    name, equals, move = argument.partition("=")
    if not equals:
        name, move = ("", argument) if ":" in argument or "->" in argument else (argument, "")
    if name not in routes and (name or not move):
        raise FacadeError(
            f"--expect {argument or repr(argument)}: neither table has a route {name or repr(name)}; "
            "write ROUTE, FROM:TO or ROUTE=FROM:TO, or an arrow in quotes"
        )
    if not move:
        return Expected(name)
    from_, _, to = move.replace("->", ":", 1).partition(":")
    for destination in (from_, to):
        if destination not in backends and not (destination.isdigit() and len(destination) == 3):
            raise FacadeError(
                f"--expect {argument}: {destination or 'nothing'} is no backend of the tables and no status; "
                "write FROM:TO, like legacy:flightspecials or legacy:410"
            )
    return Expected(name or None, from_, to)


def destination_of(side: Side, facts: Facts, known: Known) -> Destination:
    """The destination of a request under the table of `side`."""
    resolution = resolve(side.index, facts)
    matched, route = resolution.matched, resolution.route
    if resolution.error is not None:
        return Destination(None if route is None else route.name, str(resolution.error.status))
    if matched is None or route is None:
        return Destination(None, str(OPTIONS_REPLY.status))
    try:
        decision = decide(side.table, matched, facts, Moment(known=known))
        if decision.ref is None:
            return Destination(route.name, str(direct_response(decision, facts).status))
    except BadRequest as refusal:
        return Destination(route.name, str(refusal.status))
    rewrite = decision.ref.rewrite
    host = rewrite.hostname if rewrite is not None else None
    path, query = decision.upstream_path, decision.upstream_query
    copied_bp = mirror_of(route).percent_bp if decision.mirrored_to else 0
    return Destination(route.name, decision.ref.backend, path, host, query, copied_bp)


class Plan:
    """Counts the moves between two tables, request by request of a log.

    `expected` has the allowed moves; None allows every move. `host` is the Host of requests for which the log has none.
    """

    def __init__(
        self, old: Side, new: Side, expected: Sequence[Expected] | None, host: str = ""
    ) -> None:
        self._old = old
        self._new = new
        self._expected = expected
        self._host = host
        self.requests = 0
        self.moved = 0
        self.unexpected = 0
        self.sent_differently = 0
        """Requests that keep their backend, but are sent with another path or host."""
        self.rerouted = 0
        """Requests that keep their backend, but match another route."""
        self.without_bucket = 0
        self.without_host = 0
        self.in_text = 0
        """Requests from text logs."""
        self.moves: dict[Move, Tally] = {}
        self.copied_bp = (0, 0)
        """The sums of `Destination.copied_bp` under the old and the new table."""
        self.recorded_under: dict[str, int] = {}
        """Requests by the version of the table that was in effect when they were recorded."""

    def count(self, logged: LoggedRequest, line: int) -> None:
        """Count one request, of this line of the log. Raises Unreadable for text that no request can contain."""
        if not logged.host:
            self.without_host += 1
            logged = replace(logged, host=self._host)
        facts = facts_of_recorded(logged)
        self.requests += 1
        self.without_bucket += logged.bucket is UNSET
        if logged.in_text:
            self.in_text += 1
        else:
            version = logged.table if len(self.recorded_under) < _MAX_VERSIONS else _OTHERS
            self.recorded_under[version] = self.recorded_under.get(version, 0) + 1
        self._compare(facts, known_of(logged, line))

    def _compare(self, facts: Facts, known: Known) -> None:
        before = destination_of(self._old, facts, known)
        after = destination_of(self._new, facts, known)
        self.copied_bp = (self.copied_bp[0] + before.copied_bp, self.copied_bp[1] + after.copied_bp)
        if before.to != after.to:
            self._count(before, after, facts, known.bucket_bp or 0)
        else:
            self.sent_differently += before.sent != after.sent
            self.rerouted += before.route != after.route

    def _count(self, before: Destination, after: Destination, facts: Facts, draw_bp: int) -> None:
        move = Move(before.route or "", after.route or "", before.to, after.to)
        tally = self.moves.get(move)
        if tally is None:
            expected = self._expected is None or any(each.allows(move) for each in self._expected)
            if len(self.moves) >= _MAX_MOVES:
                move = Move(_OTHERS, _OTHERS, "*", "*" if expected else "* (not expected)")
            tally = self.moves.setdefault(move, Tally(expected, 0, []))
        self.moved += 1
        self.unexpected += not tally.expected
        tally.requests += 1
        if len(tally.examples) < _EXAMPLES:
            request = f"{facts.method} {text(facts.host)}{text(facts.path)}"[:_EXAMPLE_LENGTH]
            if not any(example.startswith(f"{request} (") for example in tally.examples):
                tally.examples.append(f"{request} (bucket {draw_bp * 100 / ALL_BP:g})")

    @property
    def copies(self) -> tuple[int, int]:
        """How many of the requests are copied by mirrors, under the old and the new table."""
        old, new = self.copied_bp
        return round(old / ALL_BP), round(new / ALL_BP)

    def sorted_moves(self) -> list[tuple[Move, Tally]]:
        """Moves that are not allowed come first, then the most frequent ones."""
        return sorted(
            self.moves.items(),
            key=lambda each: (each[1].expected, -each[1].requests, each[0]),
        )

    def cautions(self) -> list[str]:
        """The limits of the replay, as sentences."""
        old, new = self._old.table, self._new.table
        found: list[str] = []
        if self.in_text < self.requests or not self.requests:
            found += _not_in_the_log(old, new)
        if self.in_text:
            found += _not_in_text(old, new, self.in_text)
        found += [*_other_cohorts(old, new), *_other_endpoints(old, new)]
        return [*found, *self._about_the_log()]

    def _about_the_log(self) -> Iterator[str]:
        of_old = self.recorded_under.get(self._old.version, 0)
        if others := self.requests - of_old - self.in_text:
            yield (
                f"recorded under other tables than the old one ({self._old.version}): {others:,} "
                "requests; of headers, cookies and query the log holds what those tables read"
            )
        if self.without_bucket:
            yield (
                f"without a bucket: {self.without_bucket:,} requests; "
                "they were given buckets that are spread evenly"
            )
        routes = (*self._old.table.routes, *self._new.table.routes)
        if (
            self.without_host
            and not self._host
            and any(match.hosts for route in routes for match in route.matches)
        ):
            yield (
                f"without a host: {self.without_host:,} requests; no route with `hosts` takes them: "
                "give their host with --host"
            )


def _not_in_the_log(old: RouteTable, new: RouteTable) -> Iterator[str]:
    """Names that the rules of the tables read, but that a log recorded under `old` does not have in plain text."""
    logged = names_that_rules_read(old)
    kinds = (
        ("header", (*logged.headers, "host"), logged.hashed_headers),
        ("query parameter", logged.query, ()),
        ("cookie", logged.cookies, logged.hashed_cookies),
    )
    for which, table in (("old", old), ("new", new)):
        read = names_of_matches(table)
        by_kind = (read.headers, read.query, read.cookies)
        for (kind, plain, hashed), names in zip(kinds, by_kind, strict=True):
            for name in sorted({*names} - {*plain}):
                limit = (
                    "holds only as a hash: only whether it is there is replayed"
                    if name in hashed
                    else "does not hold: it is replayed as absent"
                )
                yield f"the {which} table reads {kind} {name}, which the log {limit}"


def _not_in_text(old: RouteTable, new: RouteTable, requests: int) -> Iterator[str]:
    """What the rules of the tables read, but no log of another server has: headers and cookies."""
    both = (names_of_matches(old), names_of_matches(new))
    headers = {name for read in both for name in read.headers} - {"host"}
    cookies = {name for read in both for name in read.cookies}
    names = [f"header {name}" for name in sorted(headers)]
    names += [f"cookie {name}" for name in sorted(cookies)]
    if names:
        yield (
            f"without headers and cookies: {requests:,} requests; "
            f"replayed as absent are {', '.join(names)}"
        )


def _other_cohorts(old: RouteTable, new: RouteTable) -> Iterator[str]:
    """The log has the bucket of each request, but not the key: another cohort would make another bucket of it."""
    before = {route.name: _cohort_of(old, route) for route in old.routes}
    for route in new.routes:
        cohort = _cohort_of(new, route)
        if cohort is not None and cohort != before.get(route.name):
            yield (
                f"the new table's route {route.name} decides by the cohort {cohort[0]}, of which "
                "the log has no buckets: its requests are replayed with the recorded buckets' "
                "shares, not one by one"
            )


def _cohort_of(table: RouteTable, route: Route) -> tuple[str, str, tuple[HashKey, ...]] | None:
    """What the buckets of a route depend on. None where no key decides."""
    cohort = route.cohort
    if cohort is None or fixed_choice(table, route) is not None:
        return None
    return cohort.name, cohort.salt, cohort.keys


def _other_endpoints(old: RouteTable, new: RouteTable) -> Iterator[str]:
    before = {backend.name: backend.endpoints for backend in old.backends}
    for backend in new.backends:
        if before.get(backend.name, backend.endpoints) != backend.endpoints:
            after = ", ".join(map(str, backend.endpoints))
            yield f"the backend {backend.name} has other endpoints in the new table ({after}): no move"
