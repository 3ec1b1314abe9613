"""Answers, byte by byte: what is passed on, what is refused, where an answer ends."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamError
from proxy.http1.response_head import Framing, ResponseHead
from proxy.http1.response_parser import OVER, UNTIL_CLOSE, LastResponse, ResponseParser
from proxy.model import HeaderPairs
from proxy.upstream.failures import NOT_HTTP

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
NEXT = OK + b"content-length: 6\r\n\r\nsecret"


@dataclass
class Heard:
    """An AnswerSink that remembers."""

    status: int = 0
    headers: HeaderPairs = field(default_factory=list)
    framing: Framing | None = None
    body: bytes = b""
    interim: list[int] = field(default_factory=list)

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        self.interim.append(status)

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        raise AssertionError("it is the connection that tells a whole answer")

    def response_started(self, head: ResponseHead, framing: Framing, goes_on: bool) -> None:
        assert self.status == 0
        self.status, self.headers, self.framing = head.status, head.pairs, framing

    def response_data(self, data: bytes) -> None:
        assert data
        self.body += data

    def response_ended(self, trailers: HeaderPairs) -> None:
        raise AssertionError("it is the connection that tells the end")

    def backend_shut(self) -> None: ...

    def response_failed(self, error: UpstreamError) -> None:
        raise AssertionError("it is the connection that tells failures")

    def upload_paused(self) -> None: ...

    def upload_resumed(self) -> None: ...

    def waited(self, seconds: float) -> None: ...


def read(*pieces: bytes, is_head: bool = False) -> tuple[Heard, ResponseParser]:
    reader, heard = ResponseParser(LastResponse()), Heard()
    reader.begin(heard, is_head)
    for piece in pieces:
        reader.feed(piece)
    return told(reader, heard), reader


def told(reader: ResponseParser, heard: Heard) -> Heard:
    """What a connection would tell at the end: an answer that came at once is not told before."""
    if reader.whole is not None:
        head, framing, body = reader.whole
        heard.response_started(head, framing, True)
        heard.body = body
    return heard


GOOD = [
    pytest.param(OK + b"content-length: 3\r\n\r\nabc", "length", b"abc", True, id="a length"),
    pytest.param(OK + b"content-length: 0\r\n\r\n", "length", b"", True, id="a length of none"),
    pytest.param(OK + b"Content-Length:  3 \r\n\r\nabc", "length", b"abc", True, id="space around"),
    pytest.param(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", "chunked", b"abc", True, id="a chunk"),
    pytest.param(CHUNKED + b"0\r\n\r\n", "chunked", b"", True, id="the last chunk alone"),
    pytest.param(
        CHUNKED + b'2;a="b;c";d\r\nab\r\n1\r\nc\r\n0;x\r\n\r\n',
        "chunked",
        b"abc",
        True,
        id="extensions",
    ),
    pytest.param(
        CHUNKED.replace(b"chunked", b"Chunked ") + b"1\r\na\r\n0\r\n\r\n",
        "chunked",
        b"a",
        True,
        id="a coding in another case",
    ),
    pytest.param(
        b"HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\n",
        "none",
        b"",
        True,
        id="204 with a length",
    ),
    pytest.param(
        b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
        "none",
        b"",
        True,
        id="304 with a coding",
    ),
    pytest.param(
        OK + b"connection: close\r\ncontent-length: 3\r\n\r\nabc",
        "length",
        b"abc",
        False,
        id="close",
    ),
    pytest.param(
        OK + b"connection: x, Close\r\ncontent-length: 3\r\n\r\nabc",
        "length",
        b"abc",
        False,
        id="close in a list",
    ),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        False,
        id="HTTP/1.0",
    ),
    pytest.param(
        b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        True,
        id="no reason, no space",
    ),
    pytest.param(
        b"HTTP/1.1 299 Fa\xe7on\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        True,
        id="a reason of its own",
    ),
    pytest.param(
        OK + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        True,
        id="an offer to upgrade",
    ),
]


@pytest.mark.parametrize(("answer", "framing", "body", "keep"), GOOD)
def test_an_answer_is_read_whole_however_it_is_cut(
    answer: bytes, framing: Framing, body: bytes, keep: bool
) -> None:
    cuts = [[answer], [answer[i : i + 1] for i in range(len(answer))]]
    cuts += [[answer[:i], answer[i:]] for i in range(1, len(answer))]
    for pieces in cuts:
        heard, reader = read(*pieces)
        assert (heard.framing, heard.body) == (framing, body), pieces
        assert (reader.phase, reader.keep) == (OVER, keep), pieces


@pytest.mark.parametrize(
    "surplus",
    [
        b"x",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"H",
        b"HTTP/1.1 200",
        NEXT,
        CHUNKED + b"0\r\n\r\n",
    ],
)
@pytest.mark.parametrize(("answer", "framing", "body", "keep"), GOOD)
def test_surplus_bytes_are_in_no_answer_and_spoil_the_connection(
    answer: bytes, framing: Framing, body: bytes, keep: bool, surplus: bytes
) -> None:
    for at in {1, len(answer) // 2, len(answer) - 1, len(answer)}:
        heard, reader = (
            read(answer[:at], answer[at:] + surplus) if at < len(answer) else read(answer + surplus)
        )
        assert (heard.body, reader.phase, reader.keep) == (body, OVER, False)


@pytest.mark.parametrize(
    "head",
    [
        OK + b"content-length: 6\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n",
        OK + b"\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
    ],
)
def test_an_answer_to_head_ends_with_its_fields(head: bytes) -> None:
    heard, reader = read(head, is_head=True)
    assert (heard.framing, heard.body, reader.phase) == ("none", b"", OVER)
    _, reader = read(head + b"secret", is_head=True)
    assert not reader.keep


def test_a_reader_is_as_new_after_every_kind_of_answer() -> None:
    reader = ResponseParser(LastResponse())
    kinds = [(OK + b"content-length: 6\r\n\r\n", True)]
    kinds += [(OK + b"content-length: 6\r\n\r\nabcdef", False)]
    kinds += [
        (CHUNKED + b"1\r\na\r\n0\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", False),
    ]
    for first, is_head in kinds:
        for second, second_is_head in kinds:
            for answer, head in ((first, is_head), (second, second_is_head)):
                heard = Heard()
                reader.begin(heard, head)
                for i in range(0, len(answer), 50):
                    reader.feed(answer[i : i + 50])
                assert (reader.phase, reader.keep) == (OVER, True)


USUAL = OK + b"content-length: 6\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "is_head", "body", "keep"),
    [
        pytest.param(USUAL + b"secret", False, b"secret", True, id="the same again"),
        pytest.param(USUAL + b"public", False, b"public", True, id="another body"),
        pytest.param(USUAL + b"secret!", False, b"secret", False, id="surplus behind it"),
        pytest.param(USUAL, True, b"", True, id="the same head for HEAD"),
        pytest.param(USUAL + b"secret", True, b"", False, id="its body for HEAD"),
        pytest.param(
            OK + b"Content-length: 6\r\n\r\npublic", False, b"public", True, id="as large only"
        ),
        pytest.param(
            OK + b"content-length: 5\r\n\r\nshort!", False, b"short", False, id="as large in all"
        ),
    ],
)
def test_an_answer_that_is_as_large_as_the_one_before_is_read_like_any(
    answer: bytes, is_head: bool, body: bytes, keep: bool
) -> None:
    reader, first = ResponseParser(LastResponse()), Heard()
    reader.begin(first, False)
    reader.feed(USUAL + b"before")
    assert told(reader, first).body == b"before"
    heard = Heard()
    reader.begin(heard, is_head)
    reader.feed(answer)
    heard = told(reader, heard)
    assert (heard.status, heard.body, reader.phase, reader.keep) == (200, body, OVER, keep)


@pytest.mark.parametrize("head", [OK.replace(b"1.1", b"1.0"), OK + b"connection: close\r\n"])
def test_a_backend_that_closes_is_not_kept_the_second_time_either(head: bytes) -> None:
    reader = ResponseParser(LastResponse())
    for _ in range(2):
        heard = Heard()
        reader.begin(heard, False)
        reader.feed(head + b"content-length: 2\r\n\r\nok")
        assert (told(reader, heard).body, reader.keep) == (b"ok", False)


def test_connections_that_share_their_last_answer_share_nothing_else() -> None:
    last = LastResponse()
    one, other = ResponseParser(last), ResponseParser(last)
    first, second, third = Heard(), Heard(), Heard()
    one.begin(first, False)
    one.feed(USUAL + b"fir")
    other.begin(second, False)
    other.feed(OK + b"content-length: 2\r\n\r\nok")
    one.feed(b"st!")
    one_more = ResponseParser(last)
    one_more.begin(third, False)
    one_more.feed(OK + b"content-length: 2\r\n\r\nno")
    told(other, second)
    told(one_more, third)
    assert [(each.headers, each.body) for each in (first, second, third)] == [
        ([(b"content-length", b"6")], b"first!"),
        ([(b"content-length", b"2")], b"ok"),
        ([(b"content-length", b"2")], b"no"),
    ]


def test_what_looks_like_the_usual_answer_may_be_the_rest_of_another() -> None:
    reader, first, heard = ResponseParser(LastResponse()), Heard(), Heard()
    reader.begin(first, False)
    reader.feed(USUAL + b"before")
    reader.begin(heard, False)
    reader.feed(OK + b"x-first-line: ")
    reader.feed(USUAL + b"secret")
    assert told(reader, heard).headers == [
        (b"x-first-line", b"HTTP/1.1 200 OK"),
        (b"content-length", b"6"),
    ]


def test_an_answer_in_two_pieces_is_none_the_less_one_of_the_usual_size() -> None:
    reader = ResponseParser(LastResponse())
    for cut in range(1, len(USUAL) + 6):
        for pieces in ([USUAL + b"before"], [(USUAL + b"behind")[:cut], (USUAL + b"behind")[cut:]]):
            heard = Heard()
            reader.begin(heard, False)
            for piece in pieces:
                reader.feed(piece)
            assert told(reader, heard).body == b"".join(pieces)[-6:]


def test_a_body_without_framing_goes_on_until_close() -> None:
    heard, reader = read(OK + b"\r\nabc", b"def")
    assert (heard.framing, heard.body, reader.phase) == ("until_close", b"abcdef", UNTIL_CLOSE)


def test_interim_answers_are_told_apart_from_the_answer() -> None:
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        + OK
        + b"content-length: 2\r\n\r\nok"
    )
    for cut in range(1, len(answer)):
        heard, reader = read(answer[:cut], answer[cut:])
        assert (heard.interim, heard.status, heard.body) == ([100, 103], 200, b"ok")
        assert heard.headers == [(b"content-length", b"2")]
        assert reader.keep


def test_trailers_are_kept_but_for_those_that_would_change_the_message() -> None:
    _, reader = read(CHUNKED + b"0\r\nX-Sum: 1\r\nset-cookie: a=b\r\nhost: evil\r\n\r\n")
    assert reader.trailers == [(b"x-sum", b"1")]
    assert reader.keep


def test_names_are_in_lower_case_and_repeats_kept() -> None:
    heard, _ = read(OK + b"Set-Cookie: a=1\r\nSET-COOKIE: b=2\r\nContent-Length: 0\r\n\r\n")
    assert heard.headers == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"0"),
    ]


@settings(deadline=None)
@given(data=st.data())
def test_what_is_heard_does_not_depend_on_how_the_bytes_are_cut(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([case.values[0] for case in GOOD]))
    assert isinstance(good, bytes)
    at = data.draw(st.integers(0, len(good)))
    answer = (
        good[:at] + data.draw(st.binary(max_size=8)) + good[at + data.draw(st.integers(0, 4)) :]
    )
    is_head, size = data.draw(st.booleans()), data.draw(st.integers(1, 64))
    pieces = [answer[i : i + size] for i in range(0, len(answer), size)]
    assert _outcome([answer], is_head) == _outcome(pieces, is_head)


def _outcome(pieces: list[bytes], is_head: bool) -> tuple[int, bytes, int] | None:
    """What a sink heard, and the phase; None if it was refused. Surplus is left to the connection."""
    reader, heard = ResponseParser(LastResponse()), Heard()
    reader.begin(heard, is_head)
    try:
        for piece in pieces:
            if reader.phase != OVER:
                reader.feed(piece)
    except NOT_HTTP:
        return None
    told(reader, heard)
    return heard.status, heard.body, reader.phase
