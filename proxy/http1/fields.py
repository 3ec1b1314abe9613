"""Lines and fields of a head, for requests and responses (RFC 9112 2.2, 5).

The whole head is checked for control characters and bare line ends before it is split into lines. So no later step
sees a byte that another server could take for the end of a line.
"""

import re

from proxy.errors import BadRequest
from proxy.model import HeaderPairs, field_name, written_name

# Visible characters, space, tab and obs-text (RFC 9110 5.5); and CR and LF, which `cut_lines` counts.
_ALLOWED_BYTES = bytes((0x09, 0x0A, 0x0D, *range(0x20, 0x7F), *range(0x80, 0x100)))
TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""One character of a token, as a regex (RFC 9110 5.6.2)."""
_TOKEN = re.compile(TCHAR + rb"+")
FIELD = re.compile(rb"(" + TCHAR + rb"+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
"""A field line: its name, and its value with the white space at its end."""
_COMMON_NAMES = (
    b"Host Connection User-Agent Accept Accept-Encoding Accept-Language Authorization Cache-Control Content-Length "
    b"Content-Type Cookie Date ETag Expect Expires Forwarded If-Match If-Modified-Since If-None-Match If-Range "
    b"If-Unmodified-Since Keep-Alive Last-Modified Link Location Origin Pragma Priority Range Referer Sec-CH-UA "
    b"Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User "
    b"Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version Server Set-Cookie TE "
    b"Trailer Transfer-Encoding Traceparent Tracestate Upgrade Upgrade-Insecure-Requests Vary Via X-Forwarded-For "
    b"X-Forwarded-Host X-Forwarded-Proto X-Request-ID"
).split()
COMMON_NAMES = {
    written: field_name(written) for name in _COMMON_NAMES for written in (name, name.lower())
}
"""Common spellings of common names. A name in this table is known to be a token, and needs no regex."""


def cut_lines(raw: bytes) -> list[bytes]:
    """Split a head without its empty line into lines. Raises BadRequest for control characters and bare line ends."""
    check_text(raw)
    ends = raw.count(b"\r\n")
    if raw.count(b"\n") != ends or raw.count(b"\r") != ends:
        raise BadRequest("a line of the head ends without CR LF (RFC 9112 2.2)")
    return raw.split(b"\r\n")


def check_text(raw: bytes) -> None:
    """Raises BadRequest for control characters other than tab, CR and LF."""
    if raw.translate(None, _ALLOWED_BYTES):
        raise BadRequest("the head has a control character in it (RFC 9112 2.2)")


def read_field(line: bytes) -> tuple[bytes, bytes]:
    """Name and value. `line` has passed `cut_lines`. Raises BadRequest."""
    raw_name, colon, value = line.partition(b":")
    name = COMMON_NAMES.get(raw_name)
    if name is None or not colon:
        if not colon or _TOKEN.fullmatch(raw_name) is None:
            raise _bad_field(line)
        name = field_name(raw_name)
    return name, value.strip(b" \t")


def read_fields(lines: list[bytes]) -> HeaderPairs:
    """The fields of lines that have passed `cut_lines`. Raises BadRequest."""
    return [read_field(line) for line in lines]


def field_line(pair: tuple[bytes, bytes]) -> bytes:
    """A field as a line without its end, its name as it was written."""
    name, value = pair
    return b"%b: %b" % (written_name(name), value)


def _bad_field(line: bytes) -> BadRequest:
    if line[:1] in (b" ", b"\t"):
        return BadRequest("a header field goes on in the next line (RFC 9112 5.2)")
    return BadRequest("a header field is not `name: value`, its name a token (RFC 9112 5.1)")
