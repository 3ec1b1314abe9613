"""Steps and messages that most conversations have: one request, and the beginnings of its responses."""

from tests.conformance.conversation import (
    ClientGets,
    ClientSends,
    OriginSees,
    OriginSends,
    Step,
)

GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
HEAD = b"HEAD /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
OLD = b"GET /a HTTP/1.0\r\n\r\n"
LINE = b"GET /a HTTP/1.1"
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH_3 = OK + b"content-length: 3\r\n\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
UNTIL_CLOSE = OK + b"connection: close\r\n\r\n"
EVENTS = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def after_request(*steps: Step, raw: bytes = GET, line: bytes = LINE) -> tuple[Step, ...]:
    """The client sends a request, the origin sees it; then these steps."""
    return (ClientSends(raw), OriginSees(line), *steps)


AGAIN = (
    ClientSends(GET),
    OriginSees(LINE),
    OriginSends(LENGTH_3 + b"two"),
    ClientGets(200, b"two"),
)
"""Both connections are where they should be: the next exchange over them is right."""
ANEW = (
    ClientSends(GET),
    OriginSees(LINE, on=2),
    OriginSends(LENGTH_3 + b"two", on=2),
    ClientGets(200, b"two"),
)
"""The client's connection is where it should be, and the origin's was given up."""
