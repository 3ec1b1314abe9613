"""Request ids, and W3C Trace Context (level 1)."""

import re

from msgspec import Struct

from proxy.model import FieldName, HeaderPairs

RANDOM_BITS = 192
"""The random bits for `identify`: a trace id of 128 and a parent id of 64."""

REQUEST_ID = FieldName(b"X-Request-ID")
TRACEPARENT = b"traceparent"
TRACESTATE = b"tracestate"

_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_PARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LATER_PARENT = re.compile(
    rb"(?!ff|00)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)


ONES = 1 << 64 | 1
"""No id may be all zeros."""


class Identity(Struct, frozen=True):
    """The ids of a request, for the backend, the client and the log."""

    request_id: bytes
    traceparent: bytes
    trace_id: bytes
    """32 hexadecimal digits."""
    keeps_state: bool
    """The trace is the client's, so its `tracestate` is forwarded."""


NO_IDENTITY = Identity(b"", b"", b"", False)
"""For a request that was refused before it got ids."""


class ClaimedIds(Struct, frozen=True):
    """The ids that a client sent, as far as they are accepted."""

    request_id: bytes | None = None
    traceparent: bytes | None = None


NO_CLAIMS = ClaimedIds()


def claimed_ids(headers: HeaderPairs, peer_trusted: bool) -> ClaimedIds:
    """The accepted ids of a request.

    A request id is accepted from trusted peers only: others could give two requests the same id. A trace is accepted
    from every client; a malformed one is replaced, without its `tracestate`.
    """
    ids = [value for name, value in headers if name == REQUEST_ID]
    parents = [value for name, value in headers if name == TRACEPARENT]
    if not (ids or parents):
        return NO_CLAIMS
    request_id = traceparent = None
    if peer_trusted and len(ids) == 1 and _ID.fullmatch(ids[0]):
        request_id = ids[0]
    if len(parents) == 1 and (_PARENT.fullmatch(parents[0]) or _LATER_PARENT.fullmatch(parents[0])):
        traceparent = parents[0]
    return ClaimedIds(request_id, traceparent)


def identify(claimed: ClaimedIds, bits: int) -> Identity:
    """The ids of a request: claimed or generated. `bits` is a random number of RANDOM_BITS bits."""
    digits = b"%048x" % (bits | ONES)
    generated = digits[:32]
    request_id = claimed.request_id or generated
    parent = claimed.traceparent
    if parent is not None:
        return Identity(request_id, parent, parent[3:35], True)
    return Identity(request_id, b"00-%b-%b-00" % (generated, digits[32:]), generated, False)
