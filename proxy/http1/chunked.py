"""Parses and writes chunked bodies (RFC 9112 7.1). The parser checks and drops extensions, and returns trailers.

SIZE -- n > 0 --> DATA -- n bytes --> CHUNK_END --> SIZE
  \\-- 0 --> TRAILERS -- empty line --> COMPLETE
"""

import re
from typing import ClassVar

from proxy.errors import BadRequest, HeadTooLarge
from proxy.http1.fields import TCHAR, cut_lines, read_fields
from proxy.model import HeaderPairs

MAX_LINE_BYTES = 1024
"""Limits the line with a chunk's size and extensions."""
MAX_TRAILER_BYTES = 8 * 1024
MAX_TRAILERS = 64
LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body without trailers."""
# Extensions may take this many bytes, and that many more for each byte of the body: enough for one short extension
# on each small chunk.
_EXTENSION_BYTES = 16 * 1024
_EXTENSION_BYTES_PER_BODY_BYTE = 16

_SIZE, _DATA, _CHUNK_END, _TRAILERS, _COMPLETE = range(5)
# chunk-size, then extensions: `;` name, perhaps `=` with a token or quoted-string; spaces around each (RFC 9112 7.1.1).
_TOKEN = TCHAR + rb"+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_EXTENSION = (
    rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
)
_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:" + _EXTENSION + rb")*+)")
# Old servers pad a size with blanks. Harmless in a response: the client gets chunks of our own making.
_PADDED_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:" + _EXTENSION + rb")*+[ \t]*+)")


class ChunkReader:
    """Parses one body. Call `feed` until `complete`; then `rest` holds the bytes after the body.

    `padded`: blanks may follow a size, as in responses of old servers.
    """

    __slots__ = (
        "_body_bytes",
        "_extra_bytes",
        "_held",
        "_left",
        "_line",
        "_state",
        "rest",
        "trailers",
    )

    def __init__(self, padded: bool = False) -> None:
        self._line = _PADDED_LINE if padded else _LINE
        self._state = _SIZE
        self._held = b""
        self._left = 0
        self._body_bytes = self._extra_bytes = 0
        self.rest = b""
        self.trailers: HeaderPairs = []

    @property
    def complete(self) -> bool:
        return self._state == _COMPLETE

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the bytes of the body that `data` holds. Raises BadRequest, or HeadTooLarge for too many trailers."""
        pieces: list[bytes] = []
        if self._held:
            data, self._held = self._held + data, b""
        at, size = 0, len(data)
        while at < size:
            state = self._state
            if state == _DATA:
                at = self._read_data(data, at, pieces)
                continue
            if state == _COMPLETE:
                self.rest = data[at:]
                break
            after = self._steps[state](self, data, at)
            if after < 0:
                break
            at = after
        return pieces

    def _read_data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Append the bytes of the current chunk to `pieces`. Returns the position after them."""
        end = min(len(data), at + self._left)
        pieces.append(data if at == 0 and end == len(data) else data[at:end])
        self._left -= end - at
        self._body_bytes += end - at
        if not self._left:
            self._state = _CHUNK_END
        return end

    def _read_size(self, data: bytes, at: int) -> int:
        """Read a size line. Returns the position after it; -1 if more bytes are needed."""
        end = self._line_end(data, at)
        if end < 0:
            return -1
        self._begin_chunk(data[at:end])
        return end + 2

    def _read_chunk_end(self, data: bytes, at: int) -> int:
        """Read the line end after a chunk's data. Returns the position after it; -1 if more bytes are needed."""
        if len(data) - at < 2:
            self._hold(data, at, b"\r\n")
            return -1
        if data[at : at + 2] != b"\r\n":
            raise BadRequest("a chunk is longer than its size says (RFC 9112 7.1)")
        self._state = _SIZE
        return at + 2

    def _line_end(self, data: bytes, at: int) -> int:
        """The end of the line that begins at `at`; -1 if more bytes are needed."""
        end = data.find(b"\n", at)
        if end < 0:
            if len(data) - at > MAX_LINE_BYTES:
                raise BadRequest(f"a chunk's size line is longer than {MAX_LINE_BYTES} bytes")
            self._hold(data, at, b"")
            return -1
        if end == at or data[end - 1] != 0x0D or end - at > MAX_LINE_BYTES:
            raise BadRequest("a chunk's size line does not end with CR LF (RFC 9112 7.1)")
        return end - 1

    def _hold(self, data: bytes, at: int, expected: bytes) -> None:
        """Buffer the bytes from `at` on. Raises BadRequest if they cannot become `expected`."""
        self._held = data[at:]
        if expected and not expected.startswith(self._held):
            raise BadRequest("a chunk is longer than its size says (RFC 9112 7.1)")

    def _begin_chunk(self, size_line: bytes) -> None:
        match = self._line.fullmatch(size_line)
        if match is None:
            raise BadRequest(
                "a chunk's size is not hexadecimal digits, or an extension is malformed"
            )
        self._extra_bytes += len(match[2])
        if self._extra_bytes > _EXTENSION_BYTES + _EXTENSION_BYTES_PER_BODY_BYTE * self._body_bytes:
            raise BadRequest("chunk extensions are out of proportion to the body")
        self._left = int(match[1], 16)
        self._state = _DATA if self._left else _TRAILERS

    def _read_trailers(self, data: bytes, at: int) -> int:
        """Read trailers and the empty line after them. Returns the position after it; -1 if more bytes are needed."""
        if data.startswith(b"\r\n", at):
            self._state = _COMPLETE
            self.rest = data[at + 2 :]
            return len(data)
        end = data.find(b"\r\n\r\n", at)
        # The end of the field lines. Of incomplete ones the last byte may be the CR of the empty line.
        fields_end = len(data) - 1 if end < 0 else end + 2
        too_many = data.count(b"\n", at, fields_end) > MAX_TRAILERS
        if fields_end - at > MAX_TRAILER_BYTES or too_many:
            raise HeadTooLarge("the trailer fields are too large")
        if end < 0:
            if data.count(b"\n", at) != data.count(b"\r\n", at):
                raise BadRequest("a trailer field ends without CR LF (RFC 9112 7.1.2)")
            self._held = data[at:]
            return -1
        self.trailers = read_fields(cut_lines(data[at:end]))
        self._state = _COMPLETE
        self.rest = data[end + 4 :]
        return len(data)

    _steps: ClassVar = {_SIZE: _read_size, _CHUNK_END: _read_chunk_end, _TRAILERS: _read_trailers}


def chunk(data: bytes) -> bytes:
    """One chunk. `data` has at least one byte, because an empty chunk ends the body (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked_body(data: bytes) -> bytes:
    """A whole chunked body, with its last chunk and without trailers."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else LAST_CHUNK
