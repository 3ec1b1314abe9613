"""Ids of a request for the log: the request id and the caller's trace (W3C Trace Context)."""

import random
import re
from collections.abc import Callable
from contextvars import ContextVar

from msgspec import Struct

_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
_PARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NONE = (b"0" * 32, b"0" * 16)


class Ids(Struct, frozen=True):
    """`trace_id` and `parent_id` are empty if the request carries no trace."""

    request_id: bytes
    trace_id: str = ""
    parent_id: str = ""
    sampled: bool = False
    """Whether the caller records the trace."""


# Only the log formatter reads it: log lines of the database layer need the ids of their request.
current: ContextVar[Ids | None] = ContextVar("current", default=None)


def read_ids(
    headers: list[tuple[bytes, bytes]], bits: Callable[[int], int] = random.getrandbits
) -> Ids:
    """The caller's ids if well-formed; a random request id if it sent none."""
    request_id = trace_id = parent_id = flags = b""
    for name, value in headers:
        if name == b"x-request-id" and _ID.fullmatch(value):
            request_id = value
        elif name == b"traceparent":
            parent = _PARENT.fullmatch(value)
            if parent is not None and parent[1] != _NONE[0] and parent[2] != _NONE[1]:
                trace_id, parent_id, flags = parent.groups()
    sampled = bool(int(flags or b"0", 16) & 1)
    return Ids(request_id or b"%032x" % bits(128), trace_id.decode(), parent_id.decode(), sampled)
