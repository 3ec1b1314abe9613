"""The head of a request, read strictly: what is not exactly HTTP/1.1's grammar is refused (RFC 9112)."""

import re

from msgspec import Struct

from proxy.errors import BadRequest, ExpectationFailed, UnknownCoding, UnknownVersion
from proxy.http1.fields import TCHAR, cut_lines, read_fields
from proxy.model import Body, HeaderPairs

_REQUEST_LINE = re.compile(rb"(" + TCHAR + rb"{1,64}) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_VERSION = re.compile(TCHAR + rb"{1,64} [\x21-\x7e\x80-\xff]+ HTTP/(?!1\.[01])[0-9]\.[0-9]")
_MAX_LENGTH_DIGITS = 18
_NO_BODY = Body("none")
_CHUNKED = Body("chunked")
_METHODS = {
    each.encode(): each for each in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
}
_OF_FRAMING = frozenset(
    (b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade")
)


class Fields(Struct, frozen=True, eq=False):
    """The fields of a head, and what they say of the message and the connection.

    Equal heads of one connection share one value: what is made of it need not be made again.
    """

    pairs: HeaderPairs
    body: Body = _NO_BODY
    close: bool = False
    """`Connection: close`."""
    expects_100: bool = False
    upgrade: bytes = b""
    """The one protocol that the client would switch to, in lower case."""


class RequestHead(Struct, frozen=True, eq=False):
    """A request up to its body. Bytes as they were sent, names in lower case."""

    method: str
    target: bytes
    minor: int
    """HTTP/1.0 or HTTP/1.1."""
    fields: Fields
    keep_alive: bool = False
    """The client wants to ask again over this connection. Never so for HTTP/1.0."""

    @property
    def headers(self) -> HeaderPairs:
        return self.fields.pairs

    @property
    def body(self) -> Body:
        return self.fields.body

    @property
    def expects_100(self) -> bool:
        """It waits for `100 Continue` before it sends the body (RFC 9110 10.1.1)."""
        return self.minor == 1 and self.fields.expects_100

    @property
    def upgrade(self) -> bytes:
        """The protocol it would switch to; HTTP/1.0 has no such thing (RFC 9110 7.8)."""
        return self.fields.upgrade if self.minor else b""


class HeadReader:
    """Reads the heads of one connection. Remembers the last one: clients repeat themselves (ADR 11)."""

    __slots__ = ("_fields", "_head", "_lines", "_raw")

    def __init__(self) -> None:
        self._lines = b""
        self._raw: bytes | None = None
        self._fields = Fields([])
        self._head = RequestHead("", b"", 1, self._fields)

    def read(self, raw: bytes) -> RequestHead:
        """A head without its empty line. Raises BadRequest, UnknownVersion or UnknownCoding."""
        if raw == self._raw:
            return self._head
        line, _, lines = raw.partition(b"\r\n")
        found = _REQUEST_LINE.fullmatch(line)
        if found is None:
            cut_lines(raw)
            raise _no_request_line(line)
        method, target, minor = found.groups()
        fields = self._fields
        if lines != self._lines:
            fields = read_all(cut_lines(lines)) if lines else Fields([])
            self._lines, self._fields = lines, fields
        is_old = minor == b"0"
        if is_old and fields.body.kind == "chunked":
            raise BadRequest("HTTP/1.0 has no Transfer-Encoding (RFC 9112 6.1)")
        name = _METHODS.get(method) or method.decode()
        self._raw = raw
        self._head = RequestHead(
            name, target, 0 if is_old else 1, fields, not (is_old or fields.close)
        )
        return self._head


def read_head(raw: bytes) -> RequestHead:
    """One head without its empty line. Raises BadRequest, UnknownVersion or UnknownCoding."""
    return HeadReader().read(raw)


def _no_request_line(line: bytes) -> BadRequest:
    if _VERSION.fullmatch(line) is not None:
        return UnknownVersion("this speaks HTTP/1.1 and HTTP/1.0 only (RFC 9110 15.6.6)")
    return BadRequest("the request line is not `method target HTTP/1.1` (RFC 9112 3)")


def read_all(lines: list[bytes]) -> Fields:
    """Fields and what they mean. Raises BadRequest or UnknownCoding."""
    pairs = read_fields(lines)
    framing = [pair for pair in pairs if pair[0] in _OF_FRAMING]
    if not framing:
        return Fields(pairs)
    tokens: set[bytes] = set()
    expects, upgrades = False, []
    for name, value in framing:
        if name == b"connection":
            tokens.update(token.strip(b" \t").lower() for token in value.split(b","))
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise ExpectationFailed("only `Expect: 100-continue` is known (RFC 9110 10.1.1)")
            expects = True
        elif name == b"upgrade":
            upgrades.append(value.lower())
    # A switch of protocols is told by both fields.
    upgrade = upgrades[0] if len(upgrades) == 1 and b"upgrade" in tokens else b""
    return Fields(pairs, read_framing(framing), b"close" in tokens, expects, upgrade)


def read_framing(headers: HeaderPairs) -> Body:
    """How the body ends (RFC 9112 6.3). Raises BadRequest where that can be read in two ways, or UnknownCoding."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if not codings:
        return _of_length(lengths) if lengths else _NO_BODY
    if lengths:
        raise BadRequest(
            "Content-Length and Transfer-Encoding contradict each other (RFC 9112 6.1)"
        )
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise UnknownCoding("no transfer coding but one `chunked` is taken (RFC 9112 6.1)")
    return _CHUNKED


def _of_length(lengths: list[bytes]) -> Body:
    length = lengths[0]
    if len(lengths) > 1 or not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
        raise BadRequest("Content-Length is not one whole number (RFC 9112 6.3)")
    return Body("length", int(length))
