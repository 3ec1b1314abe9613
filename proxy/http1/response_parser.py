"""Parses the responses of one connection to a backend. No I/O, so that it can be fuzzed.

    HEAD -- response_started --> LENGTH | CHUNKED | UNTIL_CLOSE --> OVER
     |  1xx: interim_response, stays                                ^
     +--- the whole response came in one read: `complete` ---------+

The parser knows the exact end of a response. Surplus bytes after it mean that the connection cannot be used again
(finding 12). Heads and chunks are parsed by the same strict rules as those of requests (ADR 10).
"""

from typing import Protocol

from proxy.http1.chunked import ChunkReader
from proxy.http1.quick_response import KnownResponseLines, read_quick_response
from proxy.http1.response_head import (
    MAX_HEAD_BYTES,
    Framing,
    MalformedResponse,
    ResponseFields,
    ResponseHead,
    allowed_trailers,
    check_incomplete,
    check_interim,
    check_switch,
    framing_of,
    read_response_head,
)
from proxy.model import HeaderPairs

HEAD, LENGTH, CHUNKED, UNTIL_CLOSE, OVER = range(5)

_PHASES: dict[Framing, int] = {"length": LENGTH, "until_close": UNTIL_CLOSE}
CompleteResponse = tuple[ResponseHead, Framing, bytes]
"""A response with its whole body."""
_HEAD_END = b"\r\n\r\n"
_NO_FIELDS: HeaderPairs = []


class ResponseSink(Protocol):
    """Receives one response. `response_complete` takes the place of the three methods below it."""

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        """An interim response (1xx); the final response is yet to come."""

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        """The final response, which came in one read and has no trailers."""

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        """The head of the final response. `more_follows`: the next call comes in the same tick."""

    def response_data(self, data: bytes) -> None:
        """Bytes of the body, at least one, without framing."""

    def response_ended(self, trailers: HeaderPairs) -> None:
        """The response is complete."""


class LastResponse:
    """The last response head of an endpoint and its known lines, shared by its connections: backends repeat themselves
    (ADR 11, 21).
    """

    __slots__ = ("head", "known", "raw", "total_bytes")

    def __init__(self) -> None:
        self.known = KnownResponseLines()
        self.raw = b""
        """The head's bytes, with the empty line. Empty until there is one."""
        self.head = ResponseHead(0, False, ResponseFields([]))
        self.total_bytes = -1
        """The size of a response with this head and its body. -1 if a response differs, or must not be used again."""

    def remember(self, head: ResponseHead, raw: bytes) -> None:
        """`head` was parsed from `raw`, which ends where the body begins."""
        self.head, self.raw = head, raw
        fields, has_length = head.fields, framing_of(head, is_head=False) == "length"
        keeps = has_length and head.persists and not fields.login
        self.total_bytes = len(raw) + (fields.length or 0) if keeps else -1


class ResponseParser:
    """Parses one response after another, each for its own sink. `phase` is one of the five constants.

    When it is OVER, `keep` is true if the connection can be used again: no surplus bytes came, and no `close`.
    """

    __slots__ = (
        "_chunks",
        "_held",
        "_interim_count",
        "_is_head",
        "_last",
        "_may_switch",
        "_remaining",
        "_sink",
        "complete",
        "has_login",
        "has_received",
        "keep",
        "phase",
        "switched",
        "trailers",
    )

    def __init__(self, last: LastResponse) -> None:
        self._last = last
        self._sink: ResponseSink | None = None
        self._chunks = ChunkReader()
        self._held = b""
        self._interim_count = self._remaining = 0
        self._is_head = self._may_switch = False
        self.has_received = False
        """Whether any byte has come since `begin`."""
        self.trailers = _NO_FIELDS
        self.complete: CompleteResponse | None = None
        """The response, if it came in one read. The sink was not called then."""
        self.switched = False
        """Whether a 101 has come: the bytes are of another protocol."""
        self.has_login = False
        """Whether any response of the connection was about a login of the connection."""
        self.phase = OVER
        self.keep = True

    @property
    def last_status(self) -> int:
        """The status of the head that was parsed last. Another connection of the endpoint may have parsed it."""
        return 101 if self.switched else self._last.head.status

    def begin(self, sink: ResponseSink, is_head: bool, may_switch: bool = False) -> None:
        """Expect a response. `is_head`: the request is a HEAD. `may_switch`: it has an Upgrade field."""
        self._sink = sink
        self._is_head = is_head
        self._may_switch = may_switch
        self.has_received = False
        self.keep = True
        self.trailers = _NO_FIELDS
        self.complete = None
        self.switched = False
        self._held = b""
        self._interim_count = 0
        self.phase = HEAD

    def stop(self) -> None:
        """Call the sink no more."""
        self._sink = None

    def feed(self, data: bytes) -> None:
        """Parse bytes of the response. Raises MalformedResponse, BadRequest or HeadTooLarge."""
        phase = self.phase
        if phase == HEAD:
            last = self._last
            if (
                len(data) == last.total_bytes
                and data.startswith(last.raw)
                and not (self._held or self._is_head)
            ):
                # The same head again (ADR 11). The body may differ.
                self.has_received = True
                self.complete = last.head, "length", data[len(last.raw) :]
                self.phase = OVER
            else:
                self._read_head(data)
        elif phase == LENGTH:
            self._read_length(data)
        elif phase == CHUNKED:
            self._read_chunks(data)
        elif self._sink is not None:
            self._sink.response_data(data)

    def _read_head(self, data: bytes) -> None:
        self.has_received = True
        last, searched = self._last, len(self._held)
        if searched:
            data, self._held = self._held + data, b""
        elif last.raw and data.startswith(last.raw):
            self._start(last.head, data, len(last.raw))
            return
        else:
            quick = read_quick_response(data, last.known)
            if quick is not None:
                self._final_head(quick[0], data, quick[1])
                return
        self._read_heads(data, searched)

    def _read_heads(self, data: bytes, searched: int) -> None:
        """Parse by the strict rules. The first `searched` bytes were searched for the end of a head before."""
        while True:
            end = data.find(_HEAD_END, searched - 3 if searched > 3 else 0)
            if end < 0:
                check_incomplete(data, searched)
                self._held = data
                return
            if end > MAX_HEAD_BYTES:
                raise MalformedResponse(f"its head is larger than {MAX_HEAD_BYTES} bytes")
            head = read_response_head(data[:end])
            if head.status >= 200:
                self._final_head(head, data, end + 4)
                return
            if head.status == 101:
                self._switch(head, data[end + 4 :])
                return
            self._interim_head(head)
            data, searched = data[end + 4 :], 0
            if not data or self._sink is None:
                return

    def _final_head(self, head: ResponseHead, data: bytes, body_at: int) -> None:
        self._last.remember(head, data[:body_at])
        self._start(head, data, body_at)

    def _interim_head(self, head: ResponseHead) -> None:
        self._interim_count += 1
        check_interim(head.fields, self._interim_count)
        if self._sink is not None:
            self._sink.interim_response(head.status, head.fields.pairs)

    def _start(self, head: ResponseHead, data: bytes, body_at: int) -> None:
        """The final head was parsed. Its body begins at `body_at` of `data`."""
        sink = self._sink
        if sink is None:
            return
        fields = head.fields
        framing = framing_of(head, self._is_head)
        self.keep = head.persists
        if fields.login:
            self.has_login = True
        length = fields.length if framing == "length" else 0 if framing == "none" else None
        received = len(data) - body_at
        if length is not None and received >= length:
            self.complete = head, framing, data[body_at : body_at + length]
            self._finish(received == length)
            return
        if framing == "chunked":
            self._start_chunks(sink, head, data[body_at:])
            return
        self.phase = phase = _PHASES[framing]
        sink.response_started(head, framing, received > 0)
        self._remaining = length or 0
        if not received or self._sink is not sink:
            return
        if phase == LENGTH:
            self._read_length(data[body_at:])
        else:
            sink.response_data(data[body_at:])

    def _start_chunks(self, sink: ResponseSink, head: ResponseHead, data: bytes) -> None:
        chunks = self._chunks = ChunkReader(padded=True)
        self.phase = CHUNKED
        pieces = chunks.feed(data) if data else []
        if chunks.complete and not chunks.trailers:
            self.complete = head, "chunked", b"".join(pieces)
            self._finish(not chunks.rest)
        else:
            sink.response_started(head, "chunked", bool(pieces))
            if self._sink is sink:
                self._chunk_data(pieces)

    def _switch(self, head: ResponseHead, rest: bytes) -> None:
        """A 101: from now on the bytes are of another protocol, until the connection closes (RFC 9110 15.2.2)."""
        check_switch(head, self._may_switch)
        if head.fields.chunked or head.fields.length is not None:
            raise MalformedResponse("its 101 has a body (RFC 9110 15.2.2)")
        self.keep = False
        self.switched = True
        self.phase = UNTIL_CLOSE
        sink = self._sink
        if sink is None:
            return
        sink.response_started(head, "until_close", bool(rest))
        if rest and self._sink is sink:
            sink.response_data(rest)

    def _read_length(self, data: bytes) -> None:
        remaining = self._remaining
        surplus = len(data) - remaining
        if remaining and data and self._sink is not None:
            self._sink.response_data(data if surplus <= 0 else data[:remaining])
        self._remaining = -surplus
        if surplus >= 0:
            self._finish(not surplus)

    def _read_chunks(self, data: bytes) -> None:
        self._chunk_data(self._chunks.feed(data))

    def _chunk_data(self, pieces: list[bytes]) -> None:
        chunks = self._chunks
        if pieces and self._sink is not None:
            self._sink.response_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if chunks.complete:
            self.trailers = allowed_trailers(chunks.trailers)
            self._finish(not chunks.rest)

    def _finish(self, no_surplus: bool) -> None:
        self.phase = OVER
        if not no_surplus:
            self.keep = False
