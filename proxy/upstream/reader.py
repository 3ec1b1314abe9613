"""Reads the answers of one connection: bytes in, calls of a sink out. No I/O, so that it can be fuzzed.

    HEAD -- answer_started --> LENGTH | CHUNKED | UNTIL_CLOSE --> OVER
     |  1xx: answer_informed, stays

httptools parses heads and chunks. A length is counted down beside it: the bytes need no copy, and only so is
known where the answer stopped and whether surplus bytes came with it (findings, 12). The parser, left half-way
by that or by an answer to HEAD (findings, 4), is then renewed.
"""

import httptools

from proxy.model import HeaderPairs
from proxy.upstream.answer import (
    USUAL_LINES,
    check_beginning,
    check_interim,
    check_overhead,
    framing_of,
    kept_trailers,
    status_of,
)
from proxy.upstream.api import AnswerSink, Framing
from proxy.upstream.failures import NOT_HTTP

HEAD, LENGTH, CHUNKED, UNTIL_CLOSE, OVER = range(5)

_PHASES: dict[Framing, int] = {
    "none": LENGTH,
    "length": LENGTH,
    "chunked": CHUNKED,
    "until_close": UNTIL_CLOSE,
}
_HEAD_END = b"\r\n\r\n"
_USUAL_HEAD_BYTES = 4096


class Reader:
    """One answer after the other, each to its own sink.

    `phase` is one of the above. Once OVER, `keep` tells that the answer ended exactly where its bytes
    ended, and did not ask for the connection to be closed.
    """

    __slots__ = (
        "_body_bytes",
        "_done",
        "_fields",
        "_head_read",
        "_headers",
        "_held",
        "_interim",
        "_is_head",
        "_left",
        "_old",
        "_parser",
        "_parts",
        "_quiet_bytes",
        "_raw_bytes",
        "_sink",
        "_spent",
        "_tail",
        "heard",
        "keep",
        "phase",
        "trailers",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._spent = False
        self._sink: AnswerSink | None = None
        self._parts: list[bytes] = []
        self.phase = OVER
        self.keep = True

    def begin(self, sink: AnswerSink, is_head: bool) -> None:
        """Expect an answer, of a HEAD request if `is_head`."""
        if self._spent:
            self._parser = httptools.HttpResponseParser(self)
            self._spent = False
        self._sink = sink
        self._is_head = is_head
        self._headers: HeaderPairs = []
        self._fields = self._headers
        self.trailers: HeaderPairs = []
        self._held = b""
        self._interim = 0
        self._head_read = self._done = self._old = self.heard = False
        self.keep = True
        self.phase = HEAD

    def stop(self) -> None:
        """Tell the sink nothing more."""
        self._sink = None

    def feed(self, data: bytes) -> None:
        """Read some bytes of the answer. Raises one of NOT_HTTP where they are none."""
        phase = self.phase
        if phase == HEAD:
            self._read_head(data)
        elif phase == LENGTH:
            self._read_length(data)
        elif phase == CHUNKED:
            self._feed_parser(data)
            self._pass_chunks(data)
        elif self._sink is not None:
            self._sink.answer_data(data)

    # --- what the parser calls --------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if not self._head_read:
            self._head_read = True
            self.keep = self._parser.should_keep_alive()
            self._fields = self.trailers
        else:
            self.keep = False  # A second head in the same read.

    def on_body(self, data: bytes) -> None:
        if not self._done:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        self._done = True
        self._fields = []  # What follows in the same read is not this answer's.

    # --- piece by piece -----------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> None:
        self.heard = True
        seen = len(self._held)
        if seen:
            data, self._held = self._held + data, b""
        while True:
            end = data.find(_HEAD_END, seen - 3 if seen > 3 else 0)
            if end < 0:
                check_beginning(data, seen)
                self._held = data
                return
            line = data[: data.find(b"\r\n")]
            status = USUAL_LINES.get(line)
            if status is None or end > _USUAL_HEAD_BYTES:
                check_beginning(data[:end])
                status = status_of(line)
                self._old = line.startswith(b"HTTP/1.0")
            if status >= 200:
                self._start(status, data, end + 4)
                return
            self._inform(status, data[: end + 4])
            data, seen = data[end + 4 :], 0
            if not data or self._sink is None:
                return

    def _inform(self, status: int, head: bytes) -> None:
        self._interim += 1
        self._parser.feed_data(head)
        headers = self._headers
        check_interim(headers, self._interim)
        self._headers = self._fields = []
        self._head_read = self._done = False
        if self._sink is not None:
            self._sink.answer_informed(status, headers)

    def _start(self, status: int, data: bytes, body_at: int) -> None:
        # Bytes after an answer to HEAD are surplus, but the parser would take them for its body.
        self._feed_parser(data[:body_at] if self._is_head else data)
        sink = self._sink
        if sink is None:
            return
        headers = self._headers
        framing, length = framing_of(status, headers, self._is_head, self._old)
        if self._old:
            self.keep = False
        self._left = length + body_at - len(data)
        self._spent = self._is_head or self._left > 0
        self.phase = _PHASES[framing]
        sink.answer_started(status, headers, framing)
        if self._sink is not sink:
            return
        if framing == "chunked":
            self._raw_bytes = self._body_bytes = self._quiet_bytes = 0
            self._tail = b""
            self._pass_chunks(data[body_at:])
            return
        if self._parts and framing != "none":
            sink.answer_data(self._take())
        if framing != "until_close" and self._left <= 0:
            self._finish(self._left == 0)

    def _read_length(self, data: bytes) -> None:
        left = self._left = self._left - len(data)
        if self._sink is not None:
            self._sink.answer_data(data if left >= 0 else data[:left])
        if left <= 0:
            self._finish(left == 0)

    def _pass_chunks(self, data: bytes) -> None:
        body = self._take() if self._parts else b""
        self._raw_bytes += len(data)
        self._body_bytes += len(body)
        self._quiet_bytes = 0 if body else self._quiet_bytes + len(data)
        check_overhead(self._raw_bytes, self._body_bytes, self._quiet_bytes)
        self._tail = data[-5:] if len(data) > 4 else (self._tail + data)[-5:]
        if self._done:
            self.trailers = kept_trailers(self.trailers)
        if body and self._sink is not None:
            self._sink.answer_data(body)
        if self._done:
            self._finish(self._ended_exactly())

    def _ended_exactly(self) -> bool:
        """The last bytes are the end of the last chunk. The parser drops line ends after it without a word."""
        tail = self._tail
        return tail.endswith(_HEAD_END) and tail[:1] not in (b"\r", b"\n")

    def _take(self) -> bytes:
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return body

    def _feed_parser(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except NOT_HTTP:
            if not self._done:
                raise
            self.keep = False  # The answer is whole; what came after it is the surplus.

    def _finish(self, exactly: bool) -> None:
        self.phase = OVER
        if not exactly:
            self.keep = False
