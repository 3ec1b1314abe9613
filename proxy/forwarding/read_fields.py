"""What the rules of a table read of the fields of usual requests: kept for fields that come again (ADR 21)."""

from msgspec import Struct

from proxy.http1.known_lines import Line
from proxy.model import Facts, HeaderPairs, RouteTable
from proxy.routing.logged_names import LoggedNames
from proxy.routing.read_your_writes import cookie_name
from proxy.routing.transforms.facade_fields import is_forwarding
from proxy.telemetry.log_line import read_part

_MAX_KEPT = 2_048
_MAX_KEPT_BYTES = 512


class SeenFields(Struct, eq=False, gc=False):
    """What follows from the fields that the rules read, for all requests that have them alike."""

    logged: bytes
    """The part of the log line that holds them."""
    chooses: bool = False
    """Among them is an override, or the cookie of the last write: the general way decides."""
    buckets: dict[str, int] = {}
    """By the name of a cohort whose keys are among the fields."""


class ReadFields:
    """Of one table. Bounded: it forgets all when it is full."""

    __slots__ = ("_choosing_cookies", "_choosing_headers", "_kept", "_names", "_wanted")

    def __init__(self, table: RouteTable, names: LoggedNames) -> None:
        choosing_headers, choosing_cookies = choosing_names(table)
        cookies = names.cookies or names.hashed_cookies or choosing_cookies
        headers = {name.encode() for name in (*names.headers, *names.hashed_headers)}
        headers |= choosing_headers
        self._choosing_headers, self._choosing_cookies = choosing_headers, choosing_cookies
        self._names = names
        self._wanted = frozenset(headers | {b"cookie"} if cookies else headers)
        # The query is no field, and what passes of a forwarding field depends on others.
        varies = names.query or any(map(is_forwarding, headers))
        self._kept: dict[tuple[tuple[bytes, bytes], ...], SeenFields] | None = (
            None if varies else {}
        )

    def of(self, lines: list[Line]) -> HeaderPairs:
        """The fields among the lines that rules may read."""
        wanted = self._wanted
        return [(line[1], line[2]) for line in lines if line[1] in wanted]

    def seen(self, facts: Facts) -> SeenFields:
        """What follows from the fields of a request."""
        kept = self._kept
        if kept is None:
            return self._seen(facts)
        wanted = self._wanted
        fields = tuple([pair for pair in facts.headers if pair[0] in wanted])
        known = kept.get(fields)
        if known is None:
            known = self._seen(facts)
            if len(kept) >= _MAX_KEPT:
                kept.clear()
            if sum(len(value) for _, value in fields) <= _MAX_KEPT_BYTES:
                kept[fields] = known
        return known

    def _seen(self, facts: Facts) -> SeenFields:
        return SeenFields(read_part(facts, self._names), self._chooses(facts))

    def _chooses(self, facts: Facts) -> bool:
        """Perhaps also for a cookie whose value holds such a name: the general way is right for all."""
        if not (self._choosing_headers or self._choosing_cookies):
            return False
        return any(
            name in self._choosing_headers
            or (name == b"cookie" and any(each in value for each in self._choosing_cookies))
            for name, value in facts.headers
        )


def choosing_names(table: RouteTable) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The headers and cookies by which a request may have another backend than that of its bucket."""
    overrides = {route.override for route in table.routes if route.override is not None}
    cohorts = {route.cohort for route in table.routes if route.cohort is not None}
    headers = {each.name for each in overrides if each.kind == "header"}
    cookies = {each.name for each in overrides if each.kind == "cookie"}
    cookies |= {cookie_name(each.name) for each in cohorts if each.read_your_writes is not None}
    encoded = (frozenset(name.encode() for name in names) for names in (headers, cookies))
    return next(encoded), next(encoded)
