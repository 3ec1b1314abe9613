"""How a request is found again: its request id, and its place in a trace (W3C Trace Context, level 1)."""

import re

from msgspec import Struct

from proxy.model import HeaderPairs

RANDOM_BITS = 192
"""How many random bits `identify` takes: a trace id of 128, and the id of its parent of 64."""

REQUEST_ID = b"x-request-id"
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
    """What is told to the backend, the client and the log."""

    request_id: bytes
    traceparent: bytes
    trace_id: bytes
    """32 hexadecimal digits."""
    keeps_state: bool
    """The trace is the client's own, so its `tracestate` goes on with it."""


NO_IDENTITY = Identity(b"", b"", b"", False)
"""Of a request that was refused before it got one."""


class ClaimedIds(Struct, frozen=True):
    """What a client says of its request's identity, as far as that is believed."""

    request_id: bytes | None = None
    traceparent: bytes | None = None


NO_CLAIMS = ClaimedIds()


def claimed_ids(headers: HeaderPairs, peer_trusted: bool) -> ClaimedIds:
    """A request id is believed from trusted peers alone: others could make two requests look like one. A trace is
    the client's to begin; a malformed one is begun anew, without its state.
    """
    said = [value for name, value in headers if name == REQUEST_ID]
    parents = [value for name, value in headers if name == TRACEPARENT]
    if not (said or parents):
        return NO_CLAIMS
    request_id = traceparent = None
    if peer_trusted and len(said) == 1 and _ID.fullmatch(said[0]):
        request_id = said[0]
    if len(parents) == 1 and (_PARENT.fullmatch(parents[0]) or _LATER_PARENT.fullmatch(parents[0])):
        traceparent = parents[0]
    return ClaimedIds(request_id, traceparent)


def identify(said: ClaimedIds, bits: int) -> Identity:
    """`bits` is a random whole number of RANDOM_BITS bits."""
    digits = b"%048x" % (bits | ONES)
    made = digits[:32]
    parent = said.traceparent
    if parent is not None:
        return Identity(said.request_id or made, parent, parent[3:35], True)
    return Identity(said.request_id or made, b"00-%b-%b-00" % (made, digits[32:]), made, False)
