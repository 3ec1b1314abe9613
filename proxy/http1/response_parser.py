"""Reads the answers of one connection: bytes in, calls of a sink out. No I/O, so that it can be fuzzed.

    HEAD -- response_started --> LENGTH | CHUNKED | UNTIL_CLOSE --> OVER
     |  1xx: interim_response, stays                                ^
     +--- all of it came in one read: `whole` ---------------------+

A length is counted down: the bytes need no copy, and so is known where the answer stopped and whether surplus bytes
came with it (findings, 12). Heads and chunks are read by the same strict rules as requests are (ADR 10).
"""

from typing import Protocol

from proxy.http1.chunked import ChunkReader
from proxy.http1.response_head import (
    MAX_HEAD_BYTES,
    Framing,
    Malformed,
    ResponseFields,
    ResponseHead,
    check_beginning,
    check_interim,
    check_switch,
    framing_of,
    kept_trailers,
    read_response_head,
)
from proxy.model import HeaderPairs

HEAD, LENGTH, CHUNKED, UNTIL_CLOSE, OVER = range(5)

_PHASES: dict[Framing, int] = {"length": LENGTH, "until_close": UNTIL_CLOSE}
Whole = tuple[ResponseHead, Framing, bytes]
"""An answer with its body."""
_HEAD_END = b"\r\n\r\n"
_NO_FIELDS: HeaderPairs = []


class ResponseSink(Protocol):
    """What the parser of a connection's responses calls. `response_complete` takes the place of the last three."""

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        """An interim response (1xx); the final response is yet to come."""

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        """A complete final response, which came in one read, without trailers."""

    def response_started(self, head: ResponseHead, framing: Framing, goes_on: bool) -> None:
        """The head of the final response. `goes_on`: the next call follows at once."""

    def response_data(self, data: bytes) -> None:
        """Bytes of the body, without framing."""

    def response_ended(self, trailers: HeaderPairs) -> None:
        """The response is complete."""


class LastResponse:
    """The head that came last from an endpoint. Its connections share it: backends repeat themselves (ADR 11)."""

    __slots__ = ("head", "lines", "raw", "whole_bytes")

    def __init__(self) -> None:
        self.raw = b""
        """Its bytes, up to the body; empty before there was one."""
        self.head = ResponseHead(0, False, ResponseFields([]))
        self.whole_bytes = -1
        """The size of an answer with that head and a body of its length, after which another may follow; else -1."""
        self.lines: dict[bytes, tuple[bytes, bytes]] = {}
        """For `answer_fields`."""

    def note(self, head: ResponseHead, raw: bytes) -> None:
        """`head` was read from `raw`, which ends where the body begins."""
        self.head, self.raw = head, raw
        fields, has_body = head.fields, framing_of(head, is_head=False) == "length"
        goes_on = has_body and not (head.old or fields.close)
        self.whole_bytes = len(raw) + (fields.length or 0) if goes_on else -1


class ResponseParser:
    """One answer after the other, each to its own sink.

    `phase` is one of the above. Once OVER, `keep` tells that the answer ended exactly where its bytes
    ended, and did not ask for the connection to be closed.
    """

    __slots__ = (
        "_chunks",
        "_held",
        "_interim",
        "_is_head",
        "_last",
        "_left",
        "_may_switch",
        "_sink",
        "heard",
        "keep",
        "phase",
        "switched",
        "trailers",
        "whole",
    )

    def __init__(self, last: LastResponse) -> None:
        self._last = last
        self._sink: ResponseSink | None = None
        self._chunks = ChunkReader()
        self._held = b""
        self._interim = self._left = 0
        self._is_head = self._may_switch = False
        self.heard = False
        """Something has come since `begin`."""
        self.trailers = _NO_FIELDS
        self.whole: Whole | None = None
        """The answer, if all of it came at once: the sink has not heard of it."""
        self.switched = False
        """The bytes are of another protocol now."""
        self.phase = OVER
        self.keep = True

    def begin(self, sink: ResponseSink, is_head: bool, may_switch: bool = False) -> None:
        """Expect an answer, of a HEAD request if `is_head`; `may_switch` if that asked for another protocol."""
        self._sink = sink
        self._is_head = is_head
        self._may_switch = may_switch
        self.heard = False
        self.keep = True
        self.trailers = _NO_FIELDS
        self.whole = None
        self.switched = False
        self._held = b""
        self._interim = 0
        self.phase = HEAD

    def stop(self) -> None:
        """Tell the sink nothing more."""
        self._sink = None

    def feed(self, data: bytes) -> None:
        """Read some bytes of the answer. Raises one of NOT_HTTP where they are none."""
        phase = self.phase
        if phase == HEAD:
            last = self._last
            if (
                len(data) == last.whole_bytes
                and data.startswith(last.raw)
                and not (self._held or self._is_head)
            ):
                # The body may be another one.
                self.heard = True
                self.whole = last.head, "length", data[len(last.raw) :]
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
        self.heard = True
        last, seen = self._last, len(self._held)
        if seen:
            data, self._held = self._held + data, b""
        elif last.raw and data.startswith(last.raw):
            self._start(last.head, data, len(last.raw))
            return
        while True:
            end = data.find(_HEAD_END, seen - 3 if seen > 3 else 0)
            if end < 0:
                check_beginning(data, seen)
                self._held = data
                return
            if end > MAX_HEAD_BYTES:
                raise Malformed(f"its head is larger than {MAX_HEAD_BYTES} bytes")
            head = read_response_head(data[:end], last.lines)
            if head.status >= 200:
                last.note(head, data[: end + 4])
                self._start(head, data, end + 4)
                return
            if head.status == 101:
                self._switch(head, data[end + 4 :])
                return
            self._inform(head)
            data, seen = data[end + 4 :], 0
            if not data or self._sink is None:
                return

    def _inform(self, head: ResponseHead) -> None:
        self._interim += 1
        check_interim(head.fields, self._interim)
        if self._sink is not None:
            self._sink.interim_response(head.status, head.fields.pairs)

    def _start(self, head: ResponseHead, data: bytes, body_at: int) -> None:
        """The final head was read; `data` goes on at `body_at`."""
        sink = self._sink
        if sink is None:
            return
        fields = head.fields
        framing = framing_of(head, self._is_head)
        self.keep = not (head.old or fields.close)
        left = fields.length if framing == "length" else 0 if framing == "none" else None
        surplus = len(data) - body_at
        if left is not None and surplus >= left:
            self.whole = head, framing, data[body_at : body_at + left]
            self._finish(surplus == left)
            return
        if framing == "chunked":
            self._start_chunks(sink, head, data[body_at:])
            return
        self.phase = phase = _PHASES[framing]
        sink.response_started(head, framing, surplus > 0)
        self._left = left or 0
        if not surplus or self._sink is not sink:
            return
        if phase == LENGTH:
            self._read_length(data[body_at:])
        else:
            sink.response_data(data[body_at:])

    def _start_chunks(self, sink: ResponseSink, head: ResponseHead, data: bytes) -> None:
        chunks = self._chunks = ChunkReader()
        self.phase = CHUNKED
        pieces = chunks.feed(data) if data else []
        if chunks.complete and not chunks.trailers:
            self.whole = head, "chunked", b"".join(pieces)
            self._finish(not chunks.rest)
        else:
            sink.response_started(head, "chunked", bool(pieces))
            if self._sink is sink:
                self._told(pieces)

    def _switch(self, head: ResponseHead, rest: bytes) -> None:
        """From here on the bytes are of another protocol, until the connection closes (RFC 9110 15.2.2)."""
        check_switch(head, self._may_switch)
        if head.fields.chunked or head.fields.length is not None:
            raise Malformed("its 101 has a body (RFC 9110 15.2.2)")
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
        left = self._left
        surplus = len(data) - left
        if left and data and self._sink is not None:
            self._sink.response_data(data if surplus <= 0 else data[:left])
        self._left = -surplus
        if surplus >= 0:
            self._finish(not surplus)

    def _read_chunks(self, data: bytes) -> None:
        self._told(self._chunks.feed(data))

    def _told(self, pieces: list[bytes]) -> None:
        chunks = self._chunks
        if pieces and self._sink is not None:
            self._sink.response_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if chunks.complete:
            self.trailers = kept_trailers(chunks.trailers)
            self._finish(not chunks.rest)

    def _finish(self, exactly: bool) -> None:
        self.phase = OVER
        if not exactly:
            self.keep = False
