"""The requests of one connection: which calls the sink gets and when, and what is buffered."""

import weakref

import pytest

from proxy.http1.request_head import RequestHead
from proxy.http1.request_parser import CHUNKED, COMPLETE, HEAD, LENGTH, RequestParser
from tests.unit.http1.request_calls import Call, RecordingSink, new_parser

GET = b"GET /a HTTP/1.1\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\ncontent-length: 5\r\n\r\n"
CHUNKS = b"PUT /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"

# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "call"),
    [
        pytest.param(GET, ("head", b"/a", b""), id="no body"),
        pytest.param(
            POST + b"hello", ("head", b"/p", b"hello"), id="a body that came with the head"
        ),
    ],
)
def test_a_request_with_its_whole_body_is_one_call(request_: bytes, call: Call) -> None:
    sink, parser = new_parser()
    parser.feed(request_)
    assert (sink.take_calls(), parser.phase, parser.is_complete) == ([call], COMPLETE, True)
    parser.proceed()
    assert (sink.take_calls(), parser.phase, parser.is_complete) == ([], HEAD, False)


def test_a_parser_is_idle_until_the_first_byte_of_a_request() -> None:
    _, parser = new_parser()
    idle = [parser.is_idle]
    for part in (GET[:5], GET[5:]):
        parser.feed(part)
        idle.append(parser.is_idle)
    parser.proceed()
    assert [*idle, parser.is_idle] == [True, False, False, True]


def test_a_body_with_a_length_is_passed_on_as_it_comes() -> None:
    sink, parser = new_parser()
    parser.feed(POST)
    assert (sink.take_calls(), parser.phase) == ([("head", b"/p", None)], LENGTH)
    parser.feed(b"hel")
    assert (sink.take_calls(), parser.phase) == ([("data", b"hel")], LENGTH)
    parser.feed(b"lo")
    assert (sink.take_calls(), parser.phase) == ([("data", b"lo"), ("ended", [])], COMPLETE)


def test_the_first_part_of_a_body_is_a_call_after_the_head() -> None:
    sink, parser = new_parser()
    parser.feed(POST + b"hel")
    assert sink.take_calls() == [("head", b"/p", None), ("data", b"hel")]


def test_chunks_of_one_read_are_one_call_without_framing() -> None:
    sink, parser = new_parser()
    parser.feed(CHUNKS + b"1\r\na\r\n2\r\nbc\r\n3\r\nd")
    assert sink.take_calls() == [("head", b"/c", None), ("data", b"abcd")]
    parser.feed(b"ef")
    assert (sink.take_calls(), parser.phase) == ([("data", b"ef")], CHUNKED)
    parser.feed(b"\r\n0\r\nX-Sum: 1\r\n")
    assert (sink.take_calls(), parser.is_complete) == ([], False)
    parser.feed(b"\r\n")
    assert (sink.take_calls(), parser.is_complete) == ([("ended", [(b"x-sum", b"1")])], True)


def test_an_empty_chunked_body_has_an_end_and_no_data() -> None:
    sink, parser = new_parser()
    parser.feed(CHUNKS + END)
    assert sink.take_calls() == [("head", b"/c", None), ("ended", [])]


# --- pipelined requests ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first", [GET, POST + b"hello", CHUNKS + END, CHUNKS + b"1\r\nx\r\n" + END]
)
def test_a_request_waits_for_the_one_before_it(first: bytes) -> None:
    sink, parser = new_parser()
    parser.feed(first + GET)
    assert [call[1] for call in sink.take_calls() if call[0] == "head"] == [first.split()[1]]
    assert parser.held_bytes == len(GET)
    parser.proceed()
    assert (sink.take_calls(), parser.held_bytes) == ([("head", b"/a", b"")], 0)


def test_a_request_after_the_last_bytes_of_a_body_waits() -> None:
    sink, parser = new_parser()
    parser.feed(POST)
    parser.feed(b"hello" + GET)
    assert sink.take_calls() == [("head", b"/p", None), ("data", b"hello"), ("ended", [])]
    assert parser.held_bytes == len(GET)
    parser.proceed()
    assert sink.take_calls() == [("head", b"/a", b"")]


def test_pipelined_requests_are_buffered_in_order() -> None:
    sink, parser = new_parser()
    parser.feed(GET)
    for piece in (POST + b"hello", CHUNKS, END, GET[:5]):
        parser.feed(piece)
    assert sink.take_calls() == [("head", b"/a", b"")]
    parser.proceed()
    assert sink.take_calls() == [("head", b"/p", b"hello")]
    parser.proceed()
    assert sink.take_calls() == [("head", b"/c", None), ("ended", [])]
    parser.proceed()
    assert (sink.take_calls(), parser.held_bytes) == ([], 5)
    parser.feed(GET[5:])
    assert sink.take_calls() == [("head", b"/a", b"")]


def test_the_boundaries_of_reads_make_no_difference() -> None:
    whole = b"\r\n" + POST + b"hello\r\n" + CHUNKS + b"2\r\nhi\r\n0\r\na: b\r\n\r\n" + GET

    def requests(*pieces: bytes) -> list[tuple[object, bytes, object]]:
        sink, parser = new_parser()
        for piece in pieces:
            parser.feed(piece)
            while parser.is_complete:
                parser.proceed()
        assert parser.held_bytes == 0
        return requests_of(sink)

    expected = [(b"/p", b"hello", []), (b"/c", b"hi", [(b"a", b"b")]), (b"/a", b"", [])]
    assert requests(whole) == expected
    assert requests(*(whole[at : at + 1] for at in range(len(whole)))) == expected
    for at in range(1, len(whole)):
        assert requests(whole[:at], whole[at:]) == expected


def requests_of(sink: RecordingSink) -> list[tuple[object, bytes, object]]:
    """Target, body and trailers of each request, however many calls it was."""
    requests: list[tuple[object, bytes, object]] = []
    for call in sink.calls:
        match call:
            case ("head", target, body):
                requests.append((target, body if isinstance(body, bytes) else b"", []))
            case ("data", bytes(data)):
                target, body, _ = requests.pop()
                requests.append((target, body + data, []))
            case (_, trailers):
                target, body, _ = requests.pop()
                requests.append((target, body, trailers))
    return requests


# --- sinks that stop ------------------------------------------------------------------------------


class StoppingSink(RecordingSink):
    """Stops the parser, or takes its buffer, at the first call."""

    def __init__(self, *, takes_buffer: bool) -> None:
        super().__init__()
        self.parser = RequestParser(self, 100, 3)
        self.buffer = b""
        self._takes_buffer = takes_buffer

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        super().request_head(head, body)
        if self._takes_buffer:
            self.buffer = self.parser.take_rest()
        else:
            self.parser.stop()


@pytest.mark.parametrize("head", [POST, CHUNKS])
def test_a_sink_that_takes_the_buffer_gets_the_bytes_after_the_head(head: bytes) -> None:
    sink = StoppingSink(takes_buffer=True)
    sink.parser.feed(head + b"hel")
    assert (sink.take_calls(), sink.buffer) == ([("head", head.split()[1], None)], b"hel")
    assert (sink.parser.take_rest(), sink.parser.held_bytes) == (b"", 0)


def test_the_buffer_holds_pipelined_requests() -> None:
    _, parser = new_parser()
    parser.feed(GET + POST + b"hel")
    assert parser.take_rest() == POST + b"hel"
    assert (parser.take_rest(), parser.held_bytes) == (b"", 0)


@pytest.mark.parametrize(
    "pieces", [(POST + b"hel", b"lo"), (CHUNKS, b"1\r\nx\r\n", END), (GET + POST, GET)]
)
def test_a_sink_that_stops_the_parser_gets_no_more_calls(pieces: tuple[bytes, ...]) -> None:
    sink = StoppingSink(takes_buffer=False)
    for piece in pieces:
        sink.parser.feed(piece)
        if sink.parser.is_complete:
            sink.parser.proceed()
    assert [call[0] for call in sink.take_calls()] == ["head"]


def test_a_stopped_sink_does_not_wait_for_the_collector() -> None:
    sink = StoppingSink(takes_buffer=False)
    sink.parser.feed(GET)
    dead = weakref.ref(sink)
    del sink
    assert dead() is None
