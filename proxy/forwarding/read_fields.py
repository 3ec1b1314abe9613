"""What the rules of a table read of the fields of usual requests: kept for fields that come again (ADR 21)."""

from typing import Protocol

import msgspec
from msgspec import Struct

from proxy.http1.quick_head import QuickHead
from proxy.model import Facts, HeaderPairs, RouteTable
from proxy.routing.cookie_fields import values_in
from proxy.routing.logged_names import LoggedNames
from proxy.routing.read_your_writes import cookie_name
from proxy.routing.transforms.facade_fields import is_forwarding
from proxy.telemetry.log_line import hashed_cookie_part, read_part

MAX_KEPT = 32
"""Enough for a page's requests, which come close together. A larger cache costs more for users that are not among
them, because the processor's cache does not hold it, than it saves for the others."""
_MAX_KEPT_BYTES = 512


class SeenFields(Struct, eq=False, gc=False):
    """What follows from the fields that the rules read, for all requests that have them alike."""

    logged: bytes
    """The part of the log line that holds them."""
    chooses: bool = False
    """Among them is an override, or the cookie of the last write: the general way decides."""
    key: bytes = b""
    """The key of each cohort whose keys are among the fields. Empty where `key_of` has to find it."""
    cohort: str = ""
    """The last cohort in which the fields had a bucket."""
    bucket_bp: int = 0
    """That bucket."""


NOTHING_READ = SeenFields(b"")


class FieldReader(Protocol):
    """Reads the fields of one table's rules."""

    def of(self, head: QuickHead) -> HeaderPairs:
        """The fields of a request that rules may read."""

    def seen(self, head: QuickHead, facts: Facts) -> SeenFields:
        """What follows from the fields of a request. `facts` has at least those of `of`."""


def field_reader(table: RouteTable, names: LoggedNames) -> FieldReader | None:
    """None for a table whose rules read no field and no query."""
    chooses = any(choosing_names(table))
    if names == LoggedNames() and not chooses:
        return None
    if not chooses and names == LoggedNames(hashed_cookies=names.hashed_cookies[:1]):
        return KeyCookie(names.hashed_cookies[0])
    return ReadFields(table, names)


class KeyCookie:
    """The reader of a table whose rules read only one cookie, the key of its cohorts.

    Kept by the whole field: it is not searched again. Bounded: it forgets all when it is full.
    """

    __slots__ = ("_json_name", "_kept", "_start")

    def __init__(self, name: str) -> None:
        self._start = name.encode() + b"="
        self._json_name = msgspec.json.encode(name)
        self._kept: dict[bytes, SeenFields] = {}

    def of(self, head: QuickHead) -> HeaderPairs:
        return [(b"cookie", head.cookie)]

    def seen(self, head: QuickHead, facts: Facts) -> SeenFields:
        cookie = head.cookie
        return self._kept.get(cookie) or self._new(cookie)

    def _new(self, cookie: bytes) -> SeenFields:
        values = values_in(cookie, self._start)
        if not values:
            return NOTHING_READ
        seen = SeenFields(hashed_cookie_part(self._json_name, values), False, values[0])
        if len(cookie) <= _MAX_KEPT_BYTES:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[cookie] = seen
        return seen


class ReadFields:
    """The reader of any table. Bounded: it forgets all when it is full."""

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

    def of(self, head: QuickHead) -> HeaderPairs:
        wanted = self._wanted
        return [(line[1], line[2]) for line in head.lines if line[1] in wanted]

    def seen(self, head: QuickHead, facts: Facts) -> SeenFields:
        kept = self._kept
        if kept is None:
            return self._seen(facts)
        wanted = self._wanted
        fields = tuple([pair for pair in facts.headers if pair[0] in wanted])
        known = kept.get(fields)
        if known is None:
            known = self._seen(facts)
            if len(kept) >= MAX_KEPT:
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
