"""Lines and fields of a head, for requests and answers alike (RFC 9112 2.2, 5).

One pass over the whole head finds control bytes and bare line ends; only then are lines cut. So no later step can
meet a byte that another server would take for a line's end.
"""

import re

from proxy.errors import BadRequest
from proxy.model import HeaderPairs

# Visible characters, space, tab, obs-text, and the line ends that are counted apart (RFC 9110 5.5).
_ALLOWED = bytes((0x09, 0x0A, 0x0D, *range(0x20, 0x7F), *range(0x80, 0x100)))
TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""One character of a token, as a regex (RFC 9110 5.6.2)."""
_TOKEN = re.compile(TCHAR + rb"+")
_USUAL = (
    b"Host Connection User-Agent Accept Accept-Encoding Accept-Language Authorization Cache-Control Content-Length "
    b"Content-Type Cookie Date ETag Expect Expires Forwarded If-Match If-Modified-Since If-None-Match If-Range "
    b"If-Unmodified-Since Keep-Alive Last-Modified Link Location Origin Pragma Priority Range Referer Sec-CH-UA "
    b"Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User "
    b"Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version Server Set-Cookie TE "
    b"Trailer Transfer-Encoding Traceparent Tracestate Upgrade Upgrade-Insecure-Requests Vary Via X-Forwarded-For "
    b"X-Forwarded-Host X-Forwarded-Proto X-Request-ID"
).split()
_NAMES = {written: name.lower() for name in _USUAL for written in (name, name.lower())}
"""Names as they are usually written, and in lower case: these need no look at their grammar."""


def cut_lines(raw: bytes) -> list[bytes]:
    """The lines of a head without its empty line. Raises BadRequest for what is no text in lines."""
    check_text(raw)
    ends = raw.count(b"\r\n")
    if raw.count(b"\n") != ends or raw.count(b"\r") != ends:
        raise BadRequest("a line of the head ends without CR LF (RFC 9112 2.2)")
    return raw.split(b"\r\n")


def check_text(raw: bytes) -> None:
    """Raises BadRequest for control characters."""
    if raw.translate(None, _ALLOWED):
        raise BadRequest("the head has a control character in it (RFC 9112 2.2)")


def read_field(line: bytes) -> tuple[bytes, bytes]:
    """Name in lower case, and value. Raises BadRequest. The line has no line end and no control character."""
    written, colon, value = line.partition(b":")
    name = _NAMES.get(written)
    if name is None or not colon:
        if not colon or _TOKEN.fullmatch(written) is None:
            raise _no_field(line)
        name = written.lower()
    return name, value.strip(b" \t")


def read_fields(lines: list[bytes]) -> HeaderPairs:
    """The fields of some lines. Raises BadRequest."""
    return [read_field(line) for line in lines]


def _no_field(line: bytes) -> BadRequest:
    if line[:1] in (b" ", b"\t"):
        return BadRequest("a header field goes on in the next line (RFC 9112 5.2)")
    return BadRequest("a header field is not `name: value`, its name a token (RFC 9112 5.1)")
