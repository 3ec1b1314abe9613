"""Writes the heads of responses to clients. The framing is decided here: a backend's own is not passed on."""

from collections.abc import Iterable
from http import HTTPStatus

from proxy.http1.fields import field_line
from proxy.model import HeaderPairs

STATUS_LINES = {status: b"HTTP/1.1 %d " % status for status in range(100, 600)} | {
    int(status): b"HTTP/1.1 %d %b" % (status, status.phrase.encode()) for status in HTTPStatus
}
"""Status lines with the registered reason phrases. A backend's own phrases are not passed on (RFC 9112 4)."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def response_head_bytes(
    status: int,
    lines: Iterable[bytes],
    length: bytes | None,
    chunked: bool,
    connection: bytes = b"",
) -> bytes:
    """A head. `lines` are field lines without line ends, and without framing fields.

    `length` is the value of Content-Length, `connection` that of Connection. Without `length` and `chunked` the body
    ends when the connection closes.
    """
    head = [STATUS_LINES[status], *lines]
    if chunked:
        head.append(b"Transfer-Encoding: chunked")
    elif length is not None:
        head.append(b"Content-Length: " + length)
    if connection:
        head.append(b"Connection: " + connection)
    head += (b"", b"")
    return b"\r\n".join(head)


def lines_of(fields: HeaderPairs) -> Iterable[bytes]:
    """Fields as lines without line ends."""
    return map(field_line, fields)


def fields_block(fields: HeaderPairs) -> bytes:
    """Fields as lines with line ends, as in a trailer section."""
    return b"".join([b"%b\r\n" % field_line(pair) for pair in fields])
