"""The calls of the response parser: after a 101, and to a sink that stops."""

from collections.abc import Callable

import pytest

from proxy.http1.response_head import MAX_HEAD_BYTES, Framing, MalformedResponse, ResponseHead
from proxy.http1.response_parser import (
    CHUNKED,
    LENGTH,
    OVER,
    UNTIL_CLOSE,
    LastResponse,
    ResponseParser,
)
from proxy.model import HeaderPairs

OK = b"HTTP/1.1 200 OK\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"


class Sink:
    """Records the calls. `on_call` runs after each of them."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.on_call: Callable[[], None] = lambda: None

    def _record(self, *call: object) -> None:
        self.calls.append(call)
        self.on_call()

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        self._record("interim", status)

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        self._record("complete", head.status, framing, body)

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        self._record("started", head.status, framing, more_follows)

    def response_data(self, data: bytes) -> None:
        self._record("data", data)

    def response_ended(self, trailers: HeaderPairs) -> None:
        self._record("ended", trailers)


def begun(*, may_switch: bool = False) -> tuple[ResponseParser, Sink]:
    parser, sink = ResponseParser(LastResponse()), Sink()
    parser.begin(sink, is_head=False, may_switch=may_switch)
    return parser, sink


# --- 101 Switching Protocols ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param([SWITCH + b"\r\n"], [("started", 101, "until_close", False)], id="alone"),
        pytest.param(
            [SWITCH + b"\r\nab", b"cd"],
            [("started", 101, "until_close", True), ("data", b"ab"), ("data", b"cd")],
            id="with bytes of the other protocol",
        ),
        pytest.param(
            [INTERIM + SWITCH + b"\r\n"],
            [("interim", 103), ("started", 101, "until_close", False)],
            id="after an interim response",
        ),
    ],
)
def test_after_a_101_all_bytes_belong_to_the_other_protocol(
    pieces: list[bytes], calls: list[tuple[object, ...]]
) -> None:
    parser, sink = begun(may_switch=True)
    for piece in pieces:
        parser.feed(piece)
    assert sink.calls == calls
    assert (parser.phase, parser.switched, parser.keep) == (UNTIL_CLOSE, True, False)


@pytest.mark.parametrize("field", [b"content-length: 2\r\n", b"transfer-encoding: chunked\r\n"])
def test_a_101_with_a_body_is_refused(field: bytes) -> None:
    parser, sink = begun(may_switch=True)
    with pytest.raises(MalformedResponse, match="101 has a body"):
        parser.feed(SWITCH + field + b"\r\n")
    assert sink.calls == []


def test_a_parser_is_reset_by_begin_after_a_101() -> None:
    parser, _ = begun(may_switch=True)
    parser.feed(SWITCH + b"\r\n")
    sink = Sink()
    parser.begin(sink, is_head=False)
    assert (parser.switched, parser.keep) == (False, True)
    with pytest.raises(MalformedResponse, match="unasked"):
        parser.feed(SWITCH + b"\r\n")


# --- a sink that stops ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(OK + b"content-length: 2\r\n\r\nab", id="a length"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n", id="chunks"),
        pytest.param(OK + b"\r\nab", id="until close"),
        pytest.param(INTERIM + INTERIM, id="interim responses"),
        pytest.param(SWITCH + b"\r\nab", id="switched protocols"),
    ],
)
def test_after_stop_the_sink_is_not_called(response: bytes) -> None:
    parser, sink = begun(may_switch=True)
    parser.stop()
    parser.feed(response)
    assert sink.calls == []


@pytest.mark.parametrize(
    ("response", "call", "phase"),
    [
        pytest.param(
            OK + b"content-length: 9\r\n\r\nab",
            ("started", 200, "length", True),
            LENGTH,
            id="length",
        ),
        pytest.param(
            OK + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
            ("started", 200, "chunked", True),
            CHUNKED,
            id="chunks",
        ),
        pytest.param(
            OK + b"\r\nab", ("started", 200, "until_close", True), UNTIL_CLOSE, id="until close"
        ),
        pytest.param(
            SWITCH + b"\r\nab", ("started", 101, "until_close", True), UNTIL_CLOSE, id="a switch"
        ),
    ],
)
def test_a_sink_that_stops_at_the_head_gets_no_body(
    response: bytes, call: tuple[object, ...], phase: int
) -> None:
    parser, sink = begun(may_switch=True)
    sink.on_call = parser.stop
    parser.feed(response)
    parser.feed(b"" if phase == CHUNKED else b"cd")
    assert sink.calls == [call]
    assert parser.phase == phase


def test_a_sink_that_stops_at_an_interim_response_gets_no_final_one() -> None:
    parser, sink = begun()
    sink.on_call = parser.stop
    parser.feed(INTERIM + OK + b"content-length: 2\r\n\r\nab")
    assert sink.calls == [("interim", 103)]
    assert parser.complete is None


def test_bytes_after_a_sink_that_stopped_at_an_interim_response_are_not_parsed() -> None:
    parser, sink = begun()
    sink.on_call = parser.stop
    parser.feed(INTERIM + b"not HTTP")
    assert sink.calls == [("interim", 103)]


def test_the_end_of_a_response_is_found_after_the_sink_stopped() -> None:
    for start, rest in (
        (OK + b"content-length: 4\r\n\r\nab", b"cd"),
        (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n", b"0\r\n\r\n"),
    ):
        parser, sink = begun()
        parser.feed(start)
        parser.stop()
        before = list(sink.calls)
        parser.feed(rest)
        assert (parser.phase, parser.keep, sink.calls) == (OVER, True, before)


# --- bounds -----------------------------------------------------------------------------------


def test_a_complete_head_beyond_the_bound_is_refused() -> None:
    parser, _ = begun()
    head = OK + b"".join(b"x-%04d: %b\r\n" % (n, b"v" * 1000) for n in range(66)) + b"\r\n"
    assert len(head) > MAX_HEAD_BYTES
    with pytest.raises(MalformedResponse, match="head is larger"):
        parser.feed(head)
