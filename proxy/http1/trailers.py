"""Which trailer fields are passed on (RFC 9110 6.5.1).

A recipient may merge trailers into the header section. So a field is dropped if its place is before the body:
if it changes framing, routing, authentication or the meaning of the body. The sender can still use any other name.
"""

_EITHER_DIRECTION = frozenset(
    (
        # Framing and the connection.
        *(b"transfer-encoding", b"content-length", b"connection", b"trailer", b"te", b"upgrade"),
        # Routing.
        b"host",
        # The meaning of the body.
        *(b"content-encoding", b"content-type", b"content-range"),
        # Authentication and state.
        *(b"authorization", b"set-cookie"),
        # Control of caches and clients.
        *(b"cache-control", b"location"),
    )
)
FORBIDDEN_IN_RESPONSES = _EITHER_DIRECTION
FORBIDDEN_IN_REQUESTS = _EITHER_DIRECTION | {b"cookie", b"expect", b"max-forwards", b"via"}
"""Also the fields that only occur in requests: for authentication and routing."""
