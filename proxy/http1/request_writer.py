"""The head of a request as it goes over the wire. Framing and Host are made here and nowhere else."""

import re
from collections.abc import Callable
from functools import partial
from operator import itemgetter

from msgspec import Struct

from proxy.errors import BadRequest
from proxy.model import Body, HeaderPairs, Outgoing, Timeouts

_MADE_HERE = frozenset((b"host", b"content-length", b"transfer-encoding"))
_NO_TARGET = re.compile(rb"[\x00-\x20\x7f]")
_name = itemgetter(0)
_line = b": ".join


def request_head(request: Outgoing, authority: bytes) -> bytes:
    """Request line, Host, fields and framing. `authority` is the Host where the request names none.

    Raises BadRequest where a part would break out of its line.
    """
    method = request.method.encode("latin-1")
    target = request.target
    host = authority if request.host is None else request.host
    headers = request.headers
    if not _MADE_HERE.isdisjoint(map(_name, headers)):
        headers = [pair for pair in headers if pair[0] not in _MADE_HERE]
    lines = [b"%b %b HTTP/1.1\r\nhost: %b" % (method, target, host)]
    lines += map(_line, headers)
    body = request.body
    if body.kind != "none":
        lines.append(
            b"transfer-encoding: chunked"
            if body.kind == "chunked"
            else b"content-length: %d" % body.length
        )
    lines += (b"", b"")
    head = b"\r\n".join(lines)
    # splitlines takes a lone CR or LF for a line end, as a lax server would. Host is the one line more.
    if len(head.splitlines()) != len(lines) or 0 in head:
        raise BadRequest("a header field, the target or the host has a line break or NUL in it")
    if b" " in target or b" " in method or not target or not method:
        raise BadRequest("the method or the target is empty or has a space in it")
    return head


class PreparedHead(Struct, frozen=True):
    """A request of which the head is made for the endpoint that it goes to."""

    method: str
    body: Body
    timeouts: Timeouts
    head: Callable[[bytes], bytes]
    """Takes the endpoint's authority. May raise BadRequest."""


def prepared_head(request: Outgoing) -> PreparedHead:
    """`request` as it is sent."""
    return PreparedHead(
        request.method, request.body, request.timeouts, partial(request_head, request)
    )


class HeadParts(Struct, frozen=True):
    """A request's head but for its target, and the Host where that is the endpoint's own.

    `lines` are whole, each with its end.
    """

    method: str
    host: bytes | None
    lines: bytes
    body: Body
    upgrade: bytes = b""

    def around(self, authority: bytes) -> tuple[bytes, bytes, bytes]:
        """What goes before the target, behind it, and last: more lines may come between the last two."""
        host = authority if self.host is None else self.host
        middle = b" HTTP/1.1\r\nhost: %b\r\n%b" % (host, self.lines)
        last = b""
        if self.body.kind == "length":
            last = b"content-length: %d\r\n" % self.body.length
        elif self.body.kind == "chunked":
            last = b"transfer-encoding: chunked\r\n"
        if self.upgrade:
            last += b"connection: upgrade\r\nupgrade: %b\r\n" % self.upgrade
        return self.method.encode() + b" ", middle, last + b"\r\n"


def field_lines(headers: HeaderPairs) -> bytes:
    """Fields as lines, without Host and framing. Raises BadRequest where one would break out of its line."""
    kept = [_line(pair) for pair in headers if pair[0] not in _MADE_HERE]
    if not kept:
        return b""
    lines = b"\r\n".join(kept)
    if len(lines.splitlines()) != len(kept) or 0 in lines:
        raise BadRequest("a header field has a line break or NUL in it")
    return lines + b"\r\n"


def check_target(target: bytes) -> None:
    """Raises BadRequest for a target that would break out of the request line."""
    if not target or _NO_TARGET.search(target):
        raise BadRequest("the target is empty, or has a space or control character in it")


def has_body(body: Body) -> bool:
    """There are body bytes to send, or at least their end."""
    return body.kind == "chunked" or body.length > 0
