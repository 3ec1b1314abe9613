"""The requests of one connection: what is told of them and when, and what is held."""

import weakref

import pytest

from proxy.http1.request_head import RequestHead
from proxy.http1.request_parser import CHUNKED, HEAD, HELD, LENGTH, RequestParser
from tests.unit.http1.request_calls import Call, Heard, reading

GET = b"GET /a HTTP/1.1\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\ncontent-length: 5\r\n\r\n"
CHUNKS = b"PUT /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"

# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        pytest.param(GET, ("head", b"/a", b""), id="there is none"),
        pytest.param(POST + b"hello", ("head", b"/p", b"hello"), id="it came along"),
    ],
)
def test_a_request_with_all_of_its_body_is_one_call(request_: bytes, told: Call) -> None:
    heard, reader = reading()
    reader.feed(request_)
    assert (heard.said(), reader.phase, reader.waits) == ([told], HELD, True)
    reader.proceed()
    assert (heard.said(), reader.phase, reader.waits) == ([], HEAD, False)


def test_a_body_with_a_length_follows_as_it_comes() -> None:
    heard, reader = reading()
    reader.feed(POST)
    assert (heard.said(), reader.phase) == ([("head", b"/p", None)], LENGTH)
    reader.feed(b"hel")
    assert (heard.said(), reader.phase) == ([("data", b"hel")], LENGTH)
    reader.feed(b"lo")
    assert (heard.said(), reader.phase) == ([("data", b"lo"), ("ended", [])], HELD)


def test_the_beginning_of_a_body_comes_behind_its_head() -> None:
    heard, reader = reading()
    reader.feed(POST + b"hel")
    assert heard.said() == [("head", b"/p", None), ("data", b"hel")]


def test_chunks_are_told_without_their_framing_one_call_a_read() -> None:
    heard, reader = reading()
    reader.feed(CHUNKS + b"1\r\na\r\n2\r\nbc\r\n3\r\nd")
    assert heard.said() == [("head", b"/c", None), ("data", b"abcd")]
    reader.feed(b"ef")
    assert (heard.said(), reader.phase) == ([("data", b"ef")], CHUNKED)
    reader.feed(b"\r\n0\r\nX-Sum: 1\r\n")
    assert (heard.said(), reader.waits) == ([], False)
    reader.feed(b"\r\n")
    assert (heard.said(), reader.waits) == ([("ended", [(b"x-sum", b"1")])], True)


def test_a_chunked_body_of_nothing_has_an_end_and_no_data() -> None:
    heard, reader = reading()
    reader.feed(CHUNKS + END)
    assert heard.said() == [("head", b"/c", None), ("ended", [])]


# --- what has to wait -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first", [GET, POST + b"hello", CHUNKS + END, CHUNKS + b"1\r\nx\r\n" + END]
)
def test_a_request_waits_for_the_one_in_front_of_it(first: bytes) -> None:
    heard, reader = reading()
    reader.feed(first + GET)
    assert [call[1] for call in heard.said() if call[0] == "head"] == [first.split()[1]]
    assert reader.held_bytes == len(GET)
    reader.proceed()
    assert (heard.said(), reader.held_bytes) == ([("head", b"/a", b"")], 0)


def test_what_comes_behind_the_rest_of_a_body_waits_too() -> None:
    heard, reader = reading()
    reader.feed(POST)
    reader.feed(b"hello" + GET)
    assert heard.said() == [("head", b"/p", None), ("data", b"hello"), ("ended", [])]
    assert reader.held_bytes == len(GET)
    reader.proceed()
    assert heard.said() == [("head", b"/a", b"")]


def test_what_comes_early_is_held_in_the_order_it_came() -> None:
    heard, reader = reading()
    reader.feed(GET)
    for piece in (POST + b"hello", CHUNKS, END, GET[:5]):
        reader.feed(piece)
    assert heard.said() == [("head", b"/a", b"")]
    reader.proceed()
    assert heard.said() == [("head", b"/p", b"hello")]
    reader.proceed()
    assert heard.said() == [("head", b"/c", None), ("ended", [])]
    reader.proceed()
    assert (heard.said(), reader.held_bytes) == ([], 5)
    reader.feed(GET[5:])
    assert heard.said() == [("head", b"/a", b"")]


def test_where_reads_are_cut_makes_no_difference() -> None:
    whole = b"\r\n" + POST + b"hello\r\n" + CHUNKS + b"2\r\nhi\r\n0\r\na: b\r\n\r\n" + GET

    def told(*pieces: bytes) -> list[tuple[object, bytes, object]]:
        heard, reader = reading()
        for piece in pieces:
            reader.feed(piece)
            while reader.waits:
                reader.proceed()
        assert reader.held_bytes == 0
        return requests_of(heard)

    wanted = [(b"/p", b"hello", []), (b"/c", b"hi", [(b"a", b"b")]), (b"/a", b"", [])]
    assert told(whole) == wanted
    assert told(*(whole[at : at + 1] for at in range(len(whole)))) == wanted
    for at in range(1, len(whole)):
        assert told(whole[:at], whole[at:]) == wanted


def requests_of(heard: Heard) -> list[tuple[object, bytes, object]]:
    """Target, body and trailers of each request, however it was told."""
    found: list[tuple[object, bytes, object]] = []
    for call in heard.calls:
        match call:
            case ("head", target, body):
                found.append((target, body if isinstance(body, bytes) else b"", []))
            case ("data", bytes(data)):
                target, body, _ = found.pop()
                found.append((target, body + data, []))
            case (_, trailers):
                target, body, _ = found.pop()
                found.append((target, body, trailers))
    return found


# --- a sink that has enough -----------------------------------------------------------------------


class Leaving(Heard):
    """Lets go of the reader, or takes the connection over, as soon as it hears of a request."""

    def __init__(self, *, takes_over: bool) -> None:
        super().__init__()
        self.reader = RequestParser(self, 100, 3)
        self.taken = b""
        self._takes_over = takes_over

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        super().request_head(head, body)
        if self._takes_over:
            self.taken = self.reader.take_rest()
        else:
            self.reader.stop()


@pytest.mark.parametrize("head", [POST, CHUNKS])
def test_a_sink_that_takes_the_connection_over_gets_what_came_behind_the_head(head: bytes) -> None:
    sink = Leaving(takes_over=True)
    sink.reader.feed(head + b"hel")
    assert (sink.said(), sink.taken) == ([("head", head.split()[1], None)], b"hel")
    assert (sink.reader.take_rest(), sink.reader.held_bytes) == (b"", 0)


def test_who_takes_the_connection_over_gets_what_waited() -> None:
    _, reader = reading()
    reader.feed(GET + POST + b"hel")
    assert reader.take_rest() == POST + b"hel"
    assert (reader.take_rest(), reader.held_bytes) == (b"", 0)


@pytest.mark.parametrize(
    "pieces", [(POST + b"hel", b"lo"), (CHUNKS, b"1\r\nx\r\n", END), (GET + POST, GET)]
)
def test_a_sink_that_stops_hears_nothing_more(pieces: tuple[bytes, ...]) -> None:
    sink = Leaving(takes_over=False)
    for piece in pieces:
        sink.reader.feed(piece)
        if sink.reader.waits:
            sink.reader.proceed()
    assert [call[0] for call in sink.said()] == ["head"]


def test_a_sink_that_stops_does_not_wait_for_the_collector() -> None:
    sink = Leaving(takes_over=False)
    sink.reader.feed(GET)
    gone = weakref.ref(sink)
    del sink
    assert gone() is None
