"""A chunked body, read strictly (RFC 9112 7.1). Extensions are checked and dropped, trailers kept apart.

SIZE -- n > 0 --> DATA -- n bytes --> END --> SIZE
  \\-- 0 --> TRAILERS -- empty line --> OVER
"""

import re
from typing import ClassVar

from proxy.errors import BadRequest, HeadTooLarge
from proxy.http1.fields import TCHAR, cut_lines, read_fields
from proxy.model import HeaderPairs

MAX_LINE_BYTES = 1024
"""A chunk's size with its extensions."""
MAX_TRAILER_BYTES = 8 * 1024
MAX_TRAILERS = 64
# What extensions may cost beside the body: enough for one short extension on each small chunk.
_FLOOR_BYTES = 16 * 1024
_FACTOR = 16

_SIZE, _DATA, _END, _TRAILERS, OVER = range(5)
# chunk-size, then extensions: `;` name, or name = token or quoted-string, spaces around them (RFC 9112 7.1.1).
_TOKEN = TCHAR + rb"+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_EXTENSION = (
    rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
)
_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:" + _EXTENSION + rb")*+)")


class ChunkReader:
    """One body. `feed` until `over`; then `rest` is what follows it, `trailers` what came with it."""

    __slots__ = ("_body_bytes", "_extra_bytes", "_held", "_left", "_state", "rest", "trailers")

    def __init__(self) -> None:
        self._state = _SIZE
        self._held = b""
        self._left = 0
        self._body_bytes = self._extra_bytes = 0
        self.rest = b""
        self.trailers: HeaderPairs = []

    @property
    def over(self) -> bool:
        return self._state == OVER

    def feed(self, data: bytes) -> list[bytes]:
        """The body's bytes that `data` holds. Raises BadRequest, or HeadTooLarge for trailers without end."""
        found: list[bytes] = []
        if self._held:
            data, self._held = self._held + data, b""
        at, size = 0, len(data)
        while at < size:
            state = self._state
            if state == _DATA:
                at = self._take(data, at, found)
                continue
            if state == OVER:
                self.rest = data[at:]
                break
            step = self._steps[state](self, data, at)
            if step < 0:
                break
            at = step
        return found

    def _take(self, data: bytes, at: int, found: list[bytes]) -> int:
        end = min(len(data), at + self._left)
        found.append(data if at == 0 and end == len(data) else data[at:end])
        self._left -= end - at
        self._body_bytes += end - at
        if not self._left:
            self._state = _END
        return end

    def _size(self, data: bytes, at: int) -> int:
        """Behind a chunk's size line; -1 if its end is yet to come."""
        end = self._line_end(data, at)
        if end < 0:
            return -1
        self._begin(data[at:end])
        return end + 2

    def _chunk_end(self, data: bytes, at: int) -> int:
        """Behind the line end that ends a chunk; -1 if it is yet to come."""
        if len(data) - at < 2:
            self._hold(data, at, b"\r\n")
            return -1
        if data[at : at + 2] != b"\r\n":
            raise BadRequest("a chunk is longer than its size says (RFC 9112 7.1)")
        self._state = _SIZE
        return at + 2

    def _line_end(self, data: bytes, at: int) -> int:
        """Where the line at `at` ends; -1 if that is yet to come."""
        end = data.find(b"\n", at)
        if end < 0:
            if len(data) - at > MAX_LINE_BYTES:
                raise BadRequest(f"a chunk's size line is longer than {MAX_LINE_BYTES} bytes")
            self._hold(data, at, b"")
            return -1
        if end == at or data[end - 1] != 0x0D or end - at > MAX_LINE_BYTES:
            raise BadRequest("a chunk's size line does not end with CR LF (RFC 9112 7.1)")
        return end - 1

    def _hold(self, data: bytes, at: int, wanted: bytes) -> None:
        self._held = data[at:]
        if wanted and not wanted.startswith(self._held):
            raise BadRequest("a chunk is longer than its size says (RFC 9112 7.1)")

    def _begin(self, line: bytes) -> None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise BadRequest(
                "a chunk's size is not hexadecimal digits, or an extension is malformed"
            )
        self._extra_bytes += len(found[2])
        if self._extra_bytes > _FLOOR_BYTES + _FACTOR * self._body_bytes:
            raise BadRequest("chunk extensions are out of proportion to the body")
        self._left = int(found[1], 16)
        self._state = _DATA if self._left else _TRAILERS

    def _end(self, data: bytes, at: int) -> int:
        """Behind the empty line that ends the body; -1 if it is yet to come."""
        if data.startswith(b"\r\n", at):
            self._state = OVER
            self.rest = data[at + 2 :]
            return len(data)
        end = data.find(b"\r\n\r\n", at)
        # All field lines; of what has no end yet, the last byte may be the CR of the empty line.
        behind = len(data) - 1 if end < 0 else end + 2
        if behind - at > MAX_TRAILER_BYTES or data.count(b"\n", at, behind) > MAX_TRAILERS:
            raise HeadTooLarge("the trailer fields are too large")
        if end < 0:
            if data.count(b"\n", at) != data.count(b"\r\n", at):
                raise BadRequest("a trailer field ends without CR LF (RFC 9112 7.1.2)")
            self._held = data[at:]
            return -1
        self.trailers = _fields(data[at:end])
        self._state = OVER
        self.rest = data[end + 4 :]
        return len(data)

    _steps: ClassVar = {_SIZE: _size, _END: _chunk_end, _TRAILERS: _end}


def _fields(raw: bytes) -> HeaderPairs:
    return read_fields(cut_lines(raw))


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112 7.1). `data` has at least one byte: none would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole_chunked(data: bytes) -> bytes:
    """A chunked body from its first to its last byte."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else LAST_CHUNK


LAST_CHUNK = b"0\r\n\r\n"
