"""Parses the head of a request strictly: it refuses whatever the grammar of HTTP/1.1 does not allow (RFC 9112)."""

import re

from msgspec import Struct

from proxy.errors import BadRequest, ExpectationFailed, UnknownCoding, UnknownVersion
from proxy.http1.fields import TCHAR, cut_lines, read_fields
from proxy.http1.framing import MAX_LENGTH_DIGITS, NO_BODY
from proxy.model import Body, HeaderPairs

_REQUEST_LINE = re.compile(rb"(" + TCHAR + rb"{1,64}) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_HTTP2_PREFACE = b"PRI * HTTP/2.0"
_OTHER_VERSION = re.compile(TCHAR + rb"{1,64} [\x21-\x7e\x80-\xff]+ HTTP/(?!1\.[01])[0-9]\.[0-9]")
_CHUNKED = Body("chunked")
_METHODS = {
    each.encode(): each for each in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
}
_FRAMING_AND_CONNECTION = frozenset(
    (b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade")
)


class RequestFields(Struct, frozen=True, eq=False):
    """The fields of a request, and what they mean for its body and its connection.

    Equal field sections of one connection share one value, so that a cache can compare by identity.
    """

    pairs: HeaderPairs
    body: Body = NO_BODY
    close: bool = False
    """`Connection: close`."""
    keep_alive: bool = False
    """`Connection: keep-alive`, with which HTTP/1.0 asks for a persistent connection."""
    expects_100: bool = False
    """`Expect: 100-continue`."""
    upgrades: tuple[bytes, ...] = ()
    """The protocols that the client would switch to, in lower case, the preferred one first."""


class RequestHead(Struct, frozen=True, eq=False):
    """A request line and its fields. Bytes as the client sent them; names as in `HeaderPairs`."""

    method: str
    target: bytes
    minor: int
    """0 for HTTP/1.0, 1 for HTTP/1.1."""
    fields: RequestFields
    keep_alive: bool = False
    """Whether the client may send another request over this connection (RFC 9112 9.3)."""

    @property
    def headers(self) -> HeaderPairs:
        return self.fields.pairs

    @property
    def body(self) -> Body:
        return self.fields.body

    @property
    def expects_100(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends the body (RFC 9110 10.1.1)."""
        return self.minor == 1 and self.fields.expects_100

    @property
    def upgrades(self) -> tuple[bytes, ...]:
        """The protocols that the client would switch to. HTTP/1.0 has no upgrade (RFC 9110 7.8)."""
        return self.fields.upgrades if self.minor else ()


def read_request_head(raw: bytes) -> RequestHead:
    """A head without its empty line. Raises BadRequest, UnknownVersion or UnknownCoding."""
    line, _, lines = raw.partition(b"\r\n")
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        cut_lines(raw)
        raise _bad_request_line(line)
    method, target, minor = found.groups()
    fields = parse_fields(cut_lines(lines)) if lines else RequestFields([])
    is_old = minor == b"0"
    if is_old and fields.body.kind == "chunked":
        raise BadRequest("HTTP/1.0 has no Transfer-Encoding (RFC 9112 6.1)")
    name = _METHODS.get(method) or method.decode()
    persists = not fields.close and (fields.keep_alive or not is_old)
    return RequestHead(name, target, 0 if is_old else 1, fields, persists)


def _bad_request_line(line: bytes) -> BadRequest:
    if line == _HTTP2_PREFACE:
        return UnknownVersion(
            "the client speaks HTTP/2, and this HTTP/1.1 and HTTP/1.0 only (RFC 9110 15.6.6)"
        )
    if _OTHER_VERSION.fullmatch(line) is not None:
        return UnknownVersion("this speaks HTTP/1.1 and HTTP/1.0 only (RFC 9110 15.6.6)")
    return BadRequest("the request line is not `method target HTTP/1.1` (RFC 9112 3)")


def parse_fields(lines: list[bytes]) -> RequestFields:
    """Parse the lines after the request line. Raises BadRequest, ExpectationFailed or UnknownCoding."""
    pairs = read_fields(lines)
    special = [pair for pair in pairs if pair[0] in _FRAMING_AND_CONNECTION]
    if not special:
        return RequestFields(pairs)
    options: set[bytes] = set()
    expects_100 = False
    upgrades: list[bytes] = []
    for name, value in special:
        if name == b"connection":
            options.update(_members(value))
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise ExpectationFailed("only `Expect: 100-continue` is known (RFC 9110 10.1.1)")
            expects_100 = True
        elif name == b"upgrade":
            upgrades += _members(value)
    # Without the connection option `upgrade` the Upgrade field is ignored (RFC 9110 7.8).
    if b"upgrade" not in options:
        upgrades = []
    return RequestFields(
        pairs,
        read_framing(special),
        b"close" in options,
        b"keep-alive" in options,
        expects_100,
        tuple(upgrades),
    )


def _members(value: bytes) -> list[bytes]:
    """The members of a list of tokens, in lower case. Empty ones do not count (RFC 9110 5.6.1)."""
    return [member for each in value.lower().split(b",") if (member := each.strip(b" \t"))]


def read_framing(headers: HeaderPairs) -> Body:
    """How the body ends (RFC 9112 6.3). Raises BadRequest if two recipients could disagree, or UnknownCoding."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if not codings:
        return _body_with_length(lengths) if lengths else NO_BODY
    if lengths:
        raise BadRequest(
            "Content-Length and Transfer-Encoding contradict each other (RFC 9112 6.1)"
        )
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise UnknownCoding("no transfer coding but one `chunked` is taken (RFC 9112 6.1)")
    return _CHUNKED


def _body_with_length(lengths: list[bytes]) -> Body:
    length = lengths[0]
    if len(lengths) > 1 or not length.isdigit() or len(length) > MAX_LENGTH_DIGITS:
        raise BadRequest("Content-Length is not one whole number (RFC 9112 6.3)")
    return Body("length", int(length))
