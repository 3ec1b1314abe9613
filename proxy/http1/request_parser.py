"""The requests of one connection, one after the other.

    HEAD -- request_head --> LENGTH | CHUNKED -- request_ended --> HELD -- proceed --> HEAD
     +---- request_head, with all of its body ----------------------^

Nothing of a request is read before the one in front of it is done with: what comes early is held, and `proceed`
goes on with it. So a pipelining client can make this hold no more than its owner lets it send.
"""

import re
from typing import Protocol

from proxy.errors import BadRequest, HeadTooLarge, UriTooLong
from proxy.http1.chunked import ChunkReader
from proxy.http1.fields import TCHAR, check_text
from proxy.http1.request_head import HeadReader, RequestHead
from proxy.model import HeaderPairs

HEAD, LENGTH, CHUNKED, HELD = range(4)

_LONGEST_METHOD = 64
_BEGINNING = re.compile(rb"\r?(?:%b{1,64} |%b{0,64}\Z)" % (TCHAR, TCHAR))
_HEAD_END = b"\r\n\r\n"


class RequestSink(Protocol):
    """Who hears of the requests."""

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        """A request has begun. `body` is all of it, where that came along or there is none.

        Else it is None, and follows: `request_data`, and at last `request_ended`.
        """

    def request_data(self, data: bytes) -> None:
        """Some of its body, at least one byte, without framing."""

    def request_ended(self, trailers: HeaderPairs) -> None:
        """It is complete."""


class _Nobody:
    """Hears of nothing."""

    def request_head(self, head: RequestHead, body: bytes | None) -> None: ...

    def request_data(self, data: bytes) -> None: ...

    def request_ended(self, trailers: HeaderPairs) -> None: ...


class RequestParser:
    """See the top of the file. `phase` is one of the above; `max_head_bytes` and `max_fields` bound a head.

    After a RequestError nothing more can be read from the connection: where the next request begins is unknown.
    """

    __slots__ = (
        "_at",
        "_blank",
        "_chunks",
        "_heads",
        "_left",
        "_sink",
        "_usual",
        "held",
        "max_fields",
        "max_head_bytes",
        "phase",
    )

    def __init__(self, sink: RequestSink, max_head_bytes: int, max_fields: int) -> None:
        self._sink = sink
        self._heads = HeadReader()
        self.held = b""
        """A head that is not complete, or requests that have to wait; see `held_bytes`."""
        self._at = 0  # Where in `held` the next request begins: cutting it off each time would cost its square.
        self._blank = False
        self._left = 0
        # The last request that came alone and whole: its head's bytes, its size, its head.
        self._usual: tuple[bytes, int, RequestHead] | None = None
        self._chunks = ChunkReader()
        self.max_head_bytes = max_head_bytes
        self.max_fields = max_fields
        self.phase = HEAD

    @property
    def held_bytes(self) -> int:
        """What of `held` is still to be read."""
        return len(self.held) - self._at

    @property
    def waits(self) -> bool:
        """A request was read to its end: `proceed` is due."""
        return self.phase == HELD

    def stop(self) -> None:
        """Nothing more is read. Lets go of the sink: the two hold each other, and should not wait for the collector."""
        self._sink = _Nobody()
        self.take_rest()

    def take_rest(self) -> bytes:
        """What was held, for whoever the connection now belongs to."""
        rest, self.held = self.held[self._at :], b""
        self._at = 0
        return rest

    def feed(self, data: bytes) -> None:
        """Read on. Raises a RequestError for what is no request, or too large to become one."""
        phase = self.phase
        if phase == HEAD:
            usual = self._usual
            if (
                usual is not None
                and usual[1] == len(data)
                and data.startswith(usual[0])
                and not self.held
            ):
                # Clients repeat themselves (ADR 11); the body may be another one.
                self._blank = False
                self.phase = HELD
                self._sink.request_head(usual[2], data[len(usual[0]) :])
            elif self.held:
                seen = len(self.held)
                self._read_head(self.held + data, self._at, seen)
            else:
                self._read_head(data, 0, 0)
        elif phase == LENGTH:
            self._read_length(data)
        elif phase == CHUNKED:
            self._read_chunks(data)
        else:
            self._hold(self.take_rest() + data if self.held else data, 0)

    def proceed(self) -> None:
        """The request before is done with: read the next one. Raises as `feed` does."""
        self.phase = HEAD
        if self.held:
            self._read_head(self.held, self._at, 0)

    def _hold(self, data: bytes, at: int) -> None:
        if at < len(data):
            self.held, self._at = data, at
        else:
            self.held, self._at = b"", 0

    def _read_head(self, data: bytes, at: int, seen: int) -> None:
        """Read the head at `at`, of which the bytes before `seen` were looked at before."""
        if data.startswith((b"\r", b"\n"), at):
            at = self._skip_blank(data, at)
        end = data.find(_HEAD_END, max(at, seen - 3))
        if end < 0:
            self._hold(data, at)
            self._check_unfinished(data, at, max(at, seen))
            return
        self._check_size(data, at, end)
        self._blank = False
        head = self._heads.read(data[at:end])
        end += 4
        body = head.body
        if not at and body.kind != "chunked" and end + body.length == len(data):
            self._usual = data[:end], len(data), head
        self._begin(head, data, end)

    def _skip_blank(self, data: bytes, at: int) -> int:
        """One empty line in front of a request is tolerated (RFC 9112 2.2)."""
        if len(data) - at == 1 and data[at] == 0x0D and not self._blank:
            return at
        if self._blank or not data.startswith(b"\r\n", at):
            raise BadRequest("there are empty lines in front of the request (RFC 9112 2.2)")
        self._blank = True
        if data.startswith((b"\r", b"\n"), at + 2):
            raise BadRequest("there are empty lines in front of the request (RFC 9112 2.2)")
        return at + 2

    def _begin(self, head: RequestHead, data: bytes, end: int) -> None:
        body = head.body
        whole = end + body.length
        if body.kind != "chunked" and whole <= len(data):
            self.phase = HELD
            self._hold(data, whole)
            self._sink.request_head(head, data[end:whole])
            return
        if body.kind == "length":
            self.phase = LENGTH
            self._left = body.length
        else:
            self.phase = CHUNKED
            self._chunks = ChunkReader()
        # Held, so that a sink that gives the connection away can take it along.
        self._hold(data, end)
        self._sink.request_head(head, None)
        rest = self.take_rest()
        if rest:
            self.feed(rest)

    def _read_length(self, data: bytes) -> None:
        left = self._left
        if len(data) > left:
            self._hold(data, left)
            data = data[:left]
        self._left = left = left - len(data)
        if not left:
            self.phase = HELD
        self._sink.request_data(data)
        if not left:
            self._sink.request_ended([])

    def _read_chunks(self, data: bytes) -> None:
        chunks = self._chunks
        pieces = chunks.feed(data)
        if chunks.over:
            self.phase = HELD
            self._hold(chunks.rest, 0)
        if pieces:
            self._sink.request_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if chunks.over:
            self._sink.request_ended(chunks.trailers)

    def _check_unfinished(self, data: bytes, at: int, fresh: int) -> None:
        """Nonsense and floods need not wait for their end. From `fresh` on nothing was looked at before."""
        lines = data.count(b"\n", at)
        tail = data[-3:]
        # The empty line that ends a head does not count, nor what may be the beginning of it.
        size = len(data) - at - len(tail) + len(tail.rstrip(b"\r\n"))
        if size > self.max_head_bytes or lines > self.max_fields + 1:
            self._check_size(data, at, len(data))
        check_text(data[fresh:])
        if lines != data.count(b"\r\n", at):
            raise BadRequest("a line of the head ends without CR LF (RFC 9112 2.2)")
        if not lines and _BEGINNING.match(data, at, at + _LONGEST_METHOD + 1) is None:
            raise BadRequest("the request does not begin with a method (RFC 9112 3)")

    def _check_size(self, data: bytes, at: int, end: int) -> None:
        if end - at > self.max_head_bytes:
            line = data.find(b"\r\n", at)
            if not 0 <= line - at <= self.max_head_bytes:
                raise UriTooLong(f"the request line is longer than {self.max_head_bytes} bytes")
            raise HeadTooLarge(f"the request's head is larger than {self.max_head_bytes} bytes")
        if data.count(b"\n", at, end) > self.max_fields:
            raise HeadTooLarge(f"the request has more than {self.max_fields} header fields")
