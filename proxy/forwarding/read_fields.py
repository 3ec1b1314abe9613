"""What the rules of a table read of the fields of usual requests: kept for fields that come again (ADR 21)."""

from msgspec import Struct

from proxy.http1.known_lines import Line
from proxy.model import Facts, HeaderPairs
from proxy.routing.logged_names import LoggedNames
from proxy.routing.transforms.facade_fields import is_forwarding
from proxy.telemetry.log_line import read_part

_MAX_KEPT = 4096
_MAX_KEPT_BYTES = 1024


class SeenFields(Struct, eq=False):
    """What follows from the fields that the rules read, for all requests that have them alike."""

    logged: bytes
    """The part of the log line that holds them."""
    buckets: dict[str, int] = {}
    """By the name of a cohort whose keys are among the fields."""


class ReadFields:
    """Of one table. Bounded: it forgets all when it is full."""

    __slots__ = ("_kept", "_names", "_wanted")

    def __init__(self, names: LoggedNames) -> None:
        cookies = names.cookies or names.hashed_cookies
        headers = {name.encode() for name in (*names.headers, *names.hashed_headers)}
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
            return SeenFields(read_part(facts, self._names))
        wanted = self._wanted
        fields = tuple([pair for pair in facts.headers if pair[0] in wanted])
        known = kept.get(fields)
        if known is None:
            known = SeenFields(read_part(facts, self._names))
            if len(kept) >= _MAX_KEPT:
                kept.clear()
            if sum(len(value) for _, value in fields) <= _MAX_KEPT_BYTES:
                kept[fields] = known
        return known
