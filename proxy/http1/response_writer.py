"""The head of an answer as it goes to the client. Framing is made here, whatever the upstream's was."""

from collections.abc import Iterable
from http import HTTPStatus

from proxy.model import HeaderPairs

_line = b": ".join
STATUS_LINES = {status: b"HTTP/1.1 %d " % status for status in range(100, 600)} | {
    int(status): b"HTTP/1.1 %d %b" % (status, status.phrase.encode()) for status in HTTPStatus
}
"""Phrases are those of the registry: an upstream's own are not passed on (RFC 9112 4)."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def response_head_bytes(
    status: int, lines: Iterable[bytes], length: bytes | None, chunked: bool, close: bool
) -> bytes:
    """Status line and fields, each of `lines` without its end and none of framing.

    `length` is Content-Length's value; without it and `chunked` the body ends by close.
    """
    head = [STATUS_LINES[status], *lines]
    if chunked:
        head.append(b"transfer-encoding: chunked")
    elif length is not None:
        head.append(b"content-length: " + length)
    if close:
        head.append(b"connection: close")
    head += (b"", b"")
    return b"\r\n".join(head)


def lines_of(fields: HeaderPairs) -> Iterable[bytes]:
    """Fields as lines without their ends."""
    return map(_line, fields)


def fields_block(fields: HeaderPairs) -> bytes:
    """Fields alone, each with its line end: trailers."""
    return b"".join([b"%b: %b\r\n" % pair for pair in fields])
