"""Parses the requests of one client connection, one after the other.

    HEAD -- request_head --> LENGTH | CHUNKED -- request_ended --> COMPLETE -- proceed --> HEAD
     +---- request_head, with the whole body --------------------------^

A request is parsed only after the one before it has ended: until `proceed`, pipelined bytes are buffered unparsed.
The owner bounds the buffer: it stops reading from the connection.
"""

import re
from typing import Protocol

from proxy.errors import BadRequest, HeadTooLarge, UriTooLong
from proxy.http1.chunked import ChunkReader
from proxy.http1.fields import TCHAR, check_text
from proxy.http1.request_head import RequestHead, read_request_head
from proxy.model import HeaderPairs

HEAD, LENGTH, CHUNKED, COMPLETE = range(4)

_MAX_METHOD_BYTES = 64
_METHOD_START = re.compile(rb"\r?(?:%b{1,64} |%b{0,64}\Z)" % (TCHAR, TCHAR))
_HEAD_END = b"\r\n\r\n"


class RequestSink(Protocol):
    """Receives the requests of a connection."""

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        """A request has begun. `body` is the whole body, if it came with the head or there is none.

        If it is None, the body follows: `request_data` any number of times, then `request_ended`.
        """

    def request_data(self, data: bytes) -> None:
        """Bytes of the body, at least one, without framing."""

    def request_ended(self, trailers: HeaderPairs) -> None:
        """The request is complete."""


class _NullSink:
    """Ignores every call."""

    def request_head(self, head: RequestHead, body: bytes | None) -> None: ...

    def request_data(self, data: bytes) -> None: ...

    def request_ended(self, trailers: HeaderPairs) -> None: ...


class RequestParser:
    """`phase` is one of the four constants. `max_head_bytes` and `max_fields` limit a head.

    After a RequestError the connection cannot be parsed any further: where the next request begins is unknown.
    """

    __slots__ = (
        "_chunks",
        "_offset",
        "_remaining",
        "_sink",
        "_skipped_empty_line",
        "held",
        "max_fields",
        "max_head_bytes",
        "phase",
    )

    def __init__(self, sink: RequestSink, max_head_bytes: int, max_fields: int) -> None:
        self._sink = sink
        self.held = b""
        """The buffer: an incomplete head, or requests that wait for `proceed`. Unparsed from `_offset` on."""
        # Cutting parsed requests off `held` one by one would cost time quadratic in their number.
        self._offset = 0
        self._skipped_empty_line = False
        self._remaining = 0
        self._chunks = ChunkReader()
        self.max_head_bytes = max_head_bytes
        self.max_fields = max_fields
        self.phase = HEAD

    @property
    def held_bytes(self) -> int:
        """How many bytes of `held` are not parsed yet."""
        return len(self.held) - self._offset

    @property
    def is_complete(self) -> bool:
        """The current request was parsed to its end. The next one is parsed after `proceed`."""
        return self.phase == COMPLETE

    @property
    def is_idle(self) -> bool:
        """Between two requests, and nothing of the next one has come."""
        return self.phase == HEAD and not self.held and not self._skipped_empty_line

    def stop(self) -> None:
        """Parse nothing more. Drops the sink, which refers to the parser: a cycle would wake the collector (ADR 8)."""
        self._sink = _NullSink()
        self.take_rest()

    def take_rest(self) -> bytes:
        """Empty the buffer. Returns its bytes, which then belong to another protocol."""
        rest, self.held = self.held[self._offset :], b""
        self._offset = 0
        return rest

    def feed(self, data: bytes) -> None:
        """Parse bytes from the client. Raises RequestError if they are not a request, or if it is too large."""
        phase = self.phase
        if phase == HEAD:
            if self.held:
                searched = len(self.held)
                self._read_head(self.held + data, self._offset, searched)
            else:
                self._read_head(data, 0, 0)
        elif phase == LENGTH:
            self._read_length(data)
        elif phase == CHUNKED:
            self._read_chunks(data)
        else:
            self._hold(self.take_rest() + data if self.held else data, 0)

    def proceed(self) -> None:
        """The current request has ended: parse the next one. Raises as `feed` does."""
        self.phase = HEAD
        if self.held:
            self._read_head(self.held, self._offset, 0)

    def _hold(self, data: bytes, at: int) -> None:
        if at < len(data):
            self.held, self._offset = data, at
        else:
            self.held, self._offset = b"", 0

    def _read_head(self, data: bytes, at: int, searched: int) -> None:
        """Parse the head that begins at `at`. The bytes before `searched` were searched for its end before."""
        if data.startswith((b"\r", b"\n"), at):
            at = self._skip_empty_line(data, at)
        end = data.find(_HEAD_END, max(at, searched - 3))
        if end < 0:
            self._hold(data, at)
            self._check_unfinished(data, at, max(at, searched))
            return
        self._check_size(data, at, end)
        self._skipped_empty_line = False
        head = read_request_head(data[at:end])
        end += 4
        self._begin_body(head, data, end)

    def _skip_empty_line(self, data: bytes, at: int) -> int:
        """Accept one empty line before a request (RFC 9112 2.2). Returns where the request begins."""
        if len(data) - at == 1 and data[at] == 0x0D and not self._skipped_empty_line:
            return at
        if self._skipped_empty_line or not data.startswith(b"\r\n", at):
            raise BadRequest("there are empty lines in front of the request (RFC 9112 2.2)")
        self._skipped_empty_line = True
        if data.startswith((b"\r", b"\n"), at + 2):
            raise BadRequest("there are empty lines in front of the request (RFC 9112 2.2)")
        return at + 2

    def _begin_body(self, head: RequestHead, data: bytes, end: int) -> None:
        body = head.body
        whole_end = end + body.length
        if body.kind != "chunked" and whole_end <= len(data):
            self.phase = COMPLETE
            self._hold(data, whole_end)
            self._sink.request_head(head, data[end:whole_end])
            return
        if body.kind == "length":
            self.phase = LENGTH
            self._remaining = body.length
        else:
            self.phase = CHUNKED
            self._chunks = ChunkReader()
        # Buffered first: a sink that switches protocols takes these bytes with `take_rest`.
        self._hold(data, end)
        self._sink.request_head(head, None)
        rest = self.take_rest()
        if rest:
            self.feed(rest)

    def _read_length(self, data: bytes) -> None:
        remaining = self._remaining
        if len(data) > remaining:
            self._hold(data, remaining)
            data = data[:remaining]
        self._remaining = remaining = remaining - len(data)
        if not remaining:
            self.phase = COMPLETE
        self._sink.request_data(data)
        if not remaining:
            self._sink.request_ended([])

    def _read_chunks(self, data: bytes) -> None:
        chunks = self._chunks
        pieces = chunks.feed(data)
        if chunks.complete:
            self.phase = COMPLETE
            self._hold(chunks.rest, 0)
        if pieces:
            self._sink.request_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if chunks.complete:
            self._sink.request_ended(chunks.trailers)

    def _check_unfinished(self, data: bytes, at: int, checked: int) -> None:
        """Refuse a head early, before its end has come. The bytes before `checked` passed an earlier check."""
        lines = data.count(b"\n", at)
        tail = data[-3:]
        # The empty line after a head does not count, not even its first bytes.
        size = len(data) - at - len(tail) + len(tail.rstrip(b"\r\n"))
        if size > self.max_head_bytes or lines > self.max_fields + 1:
            self._check_size(data, at, len(data))
        check_text(data[checked:])
        if lines != data.count(b"\r\n", at):
            raise BadRequest("a line of the head ends without CR LF (RFC 9112 2.2)")
        if not lines and _METHOD_START.match(data, at, at + _MAX_METHOD_BYTES + 1) is None:
            raise BadRequest("the request does not begin with a method (RFC 9112 3)")

    def _check_size(self, data: bytes, at: int, end: int) -> None:
        if end - at > self.max_head_bytes:
            line = data.find(b"\r\n", at)
            if not 0 <= line - at <= self.max_head_bytes:
                raise UriTooLong(f"the request line is longer than {self.max_head_bytes} bytes")
            raise HeadTooLarge(f"the request's head is larger than {self.max_head_bytes} bytes")
        if data.count(b"\n", at, end) > self.max_fields:
            raise HeadTooLarge(f"the request has more than {self.max_fields} header fields")
