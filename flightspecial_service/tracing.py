"""Which request a line of the log belongs to: its own id, and the caller's trace (W3C Trace Context)."""

import random
import re
from collections.abc import Callable
from contextvars import ContextVar

from msgspec import Struct

_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
_PARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_NONE = (b"0" * 32, b"0" * 16)


class Ids(Struct, frozen=True):
    """`trace_id` and `parent_id` are empty when the caller traces nothing."""

    request_id: bytes
    trace_id: str = ""
    parent_id: str = ""


# For the log alone: a line far below the request's handler must say which request it is about.
current: ContextVar[Ids | None] = ContextVar("current", default=None)


def read_ids(
    headers: list[tuple[bytes, bytes]], bits: Callable[[int], int] = random.getrandbits
) -> Ids:
    """The caller's ids where they are well-formed; a request id of our own where it sent none."""
    request_id = trace_id = parent_id = b""
    for name, value in headers:
        if name == b"x-request-id" and _ID.fullmatch(value):
            request_id = value
        elif name == b"traceparent":
            found = _PARENT.fullmatch(value)
            if found is not None and found[1] != _NONE[0] and found[2] != _NONE[1]:
                trace_id, parent_id = found.groups()
    return Ids(request_id or b"%032x" % bits(128), trace_id.decode(), parent_id.decode())
