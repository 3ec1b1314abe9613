"""Writes the heads of requests to backends. Only this module writes Host and framing fields."""

import re
from collections.abc import Callable
from functools import partial
from operator import itemgetter

from msgspec import Struct

from proxy.errors import BadRequest
from proxy.http1.fields import field_line
from proxy.model import Body, HeaderPairs, Outgoing, Timeouts

_WRITTEN_HERE = frozenset((b"host", b"content-length", b"transfer-encoding"))
_NO_TARGET = re.compile(rb"[\x00-\x20\x7f]")
_name = itemgetter(0)


def request_head(request: Outgoing, authority: bytes) -> bytes:
    """A whole head. `authority` is the endpoint's: the Host of a request without one.

    Raises BadRequest for a part with a line break, which would let it inject fields.
    """
    method = request.method.encode("latin-1")
    target = request.target
    host = authority if request.host is None else request.host
    headers = request.headers
    if not _WRITTEN_HERE.isdisjoint(map(_name, headers)):
        headers = [pair for pair in headers if pair[0] not in _WRITTEN_HERE]
    lines = [b"%b %b HTTP/1.1\r\nHost: %b" % (method, target, host)]
    lines += map(field_line, headers)
    body = request.body
    if body.kind != "none":
        lines.append(
            b"Transfer-Encoding: chunked"
            if body.kind == "chunked"
            else b"Content-Length: %d" % body.length
        )
    lines += (b"", b"")
    head = b"\r\n".join(lines)
    # `splitlines` also splits at a bare CR or LF, as a lenient server would. It counts Host apart, not the last item.
    if len(head.splitlines()) != len(lines) or 0 in head:
        raise BadRequest("a header field, the target or the host has a line break or NUL in it")
    if b" " in target or b" " in method or not target or not method:
        raise BadRequest("the method or the target is empty or has a space in it")
    return head


class PreparedHead(Struct, frozen=True):
    """A request whose head is written once its endpoint is known."""

    method: str
    body: Body
    timeouts: Timeouts
    head: Callable[[bytes], bytes]
    """Writes the head for an endpoint with this authority. May raise BadRequest."""


def prepared_head(request: Outgoing) -> PreparedHead:
    """`request` as a `PreparedHead`."""
    return PreparedHead(
        request.method, request.body, request.timeouts, partial(request_head, request)
    )


class HeadParts(Struct, frozen=True):
    """A request's head without its target. `host` is None if it is the endpoint's authority.

    `lines` are field lines with line ends.
    """

    method: str
    host: bytes | None
    lines: bytes
    body: Body
    upgrade: bytes = b""

    def around(self, authority: bytes) -> tuple[bytes, bytes, bytes]:
        """The bytes before the target, those after it, and the end. Field lines can be added between the last two."""
        host = authority if self.host is None else self.host
        middle = b" HTTP/1.1\r\nHost: %b\r\n%b" % (host, self.lines)
        last = b""
        if self.body.kind == "length":
            last = b"Content-Length: %d\r\n" % self.body.length
        elif self.body.kind == "chunked":
            last = b"Transfer-Encoding: chunked\r\n"
        if self.upgrade:
            last += b"Connection: upgrade\r\nUpgrade: %b\r\n" % self.upgrade
        return self.method.encode() + b" ", middle, last + b"\r\n"


def field_lines(headers: HeaderPairs) -> bytes:
    """Fields as lines with line ends, without Host and framing. Raises BadRequest for a line break in one."""
    kept = [field_line(pair) for pair in headers if pair[0] not in _WRITTEN_HERE]
    if not kept:
        return b""
    lines = b"\r\n".join(kept)
    if len(lines.splitlines()) != len(kept) or 0 in lines:
        raise BadRequest("a header field has a line break or NUL in it")
    return lines + b"\r\n"


def check_target(target: bytes) -> None:
    """Raises BadRequest for a target with a space or control character, which would change the request line."""
    if not target or _NO_TARGET.search(target):
        raise BadRequest("the target is empty, or has a space or control character in it")


def has_body(body: Body) -> bool:
    """Whether anything follows the head: body bytes, or the end of a chunked body."""
    return body.kind == "chunked" or body.length > 0
