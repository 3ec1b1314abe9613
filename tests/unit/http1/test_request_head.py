"""The head of a request: what is exactly HTTP/1.1's grammar is read, all else is refused (RFC 9112)."""

import pytest

from proxy.errors import BadRequest, ExpectationFailed, UnknownCoding, UnknownVersion
from proxy.http1.request_head import HeadReader, RequestHead, read_head
from proxy.model import Body, HeaderPairs

GET = b"GET /a HTTP/1.1"
OLD = b"GET /a HTTP/1.0"


def head(*fields: bytes, line: bytes = GET) -> RequestHead:
    return read_head(b"\r\n".join((line, *fields)))


# --- the request line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "method", "target", "minor"),
    [
        pytest.param(GET, "GET", b"/a", 1, id="the usual"),
        pytest.param(b"GET /a HTTP/1.0", "GET", b"/a", 0, id="HTTP/1.0"),
        pytest.param(b"BREW /a HTTP/1.1", "BREW", b"/a", 1, id="a method that few know"),
        pytest.param(b"get /a HTTP/1.1", "get", b"/a", 1, id="case counts in methods"),
        pytest.param(b"M" * 64 + b" /a HTTP/1.1", "M" * 64, b"/a", 1, id="the longest method"),
        pytest.param(b"OPTIONS * HTTP/1.1", "OPTIONS", b"*", 1, id="no path"),
        pytest.param(b"GET /%2F\xe9?q HTTP/1.1", "GET", b"/%2F\xe9?q", 1, id="bytes as sent"),
    ],
)
def test_a_request_line_is_read(line: bytes, method: str, target: bytes, minor: int) -> None:
    found = head(line=line)
    assert (found.method, found.target, found.minor) == (method, target, minor)
    assert (found.headers, found.body) == ([], Body("none"))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET", id="a method alone"),
        pytest.param(b"GET /a", id="no version"),
        pytest.param(b"GET  /a HTTP/1.1", id="two spaces"),
        pytest.param(b"GET\t/a HTTP/1.1", id="a tab"),
        pytest.param(b"GET /a HTTP/1.1 ", id="a space behind"),
        pytest.param(b"GET /a b HTTP/1.1", id="a space in the target"),
        pytest.param(b"GE(T /a HTTP/1.1", id="a method that is no token"),
        pytest.param(b"M" * 65 + b" /a HTTP/1.1", id="a method too long"),
        pytest.param(b"GET /a http/1.1", id="a version in lower case"),
        pytest.param(b"GET /a HTTP/1.10", id="two digits"),
        pytest.param(b"GET /a ICY/1.1", id="another protocol"),
    ],
)
def test_what_is_no_request_line_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequest, match="the request line is not") as refused:
        head(line=line)
    assert refused.value.status == 400


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0", b"3.0"])
def test_another_version_of_http_is_told_apart_from_nonsense(version: bytes) -> None:
    with pytest.raises(UnknownVersion) as refused:
        head(line=b"GET /a HTTP/" + version)
    assert refused.value.status == 505


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (GET + b"\nhost: h", "ends without CR LF"),
        (GET + b"\rhost: h", "ends without CR LF"),
        (b"GET /\x00 HTTP/1.1", "a control character"),
        (GET + b"\r\na: \x01", "a control character"),
        (GET + b"\r\na: b\nc: d", "ends without CR LF"),
    ],
)
def test_a_byte_that_another_server_may_take_for_a_line_end_is_refused(
    raw: bytes, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        read_head(raw)


# --- its fields -----------------------------------------------------------------------------------


def test_fields_are_read_in_order_with_names_in_lower_case() -> None:
    found = head(b"Host: h", b"X-A:\t 1 2 \t", b"x-a:", b"!#$%&'*+-.^_`|~9: \xe9")
    assert found.headers == [
        (b"host", b"h"),
        (b"x-a", b"1 2"),
        (b"x-a", b""),
        (b"!#$%&'*+-.^_`|~9", b"\xe9"),
    ]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        pytest.param(b" x-b: 1", "goes on in the next line", id="a line that goes on"),
        pytest.param(b"\tx-b: 1", "goes on in the next line", id="with a tab"),
        pytest.param(b"x-b : 1", "its name a token", id="a space in front of the colon"),
        pytest.param(b"x-b", "its name a token", id="no colon"),
        pytest.param(b"Host", "its name a token", id="a usual name without colon"),
        pytest.param(b": 1", "its name a token", id="no name"),
        pytest.param(b"x(b): 1", "its name a token", id="a name that is no token"),
        pytest.param(b"", "its name a token", id="an empty line"),
    ],
)
def test_what_is_no_field_is_refused(field: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        head(b"host: h", field, b"x-c: 1")


# --- how the body ends ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param([b"Host: h"], Body("none"), id="no field says it"),
        pytest.param([b"Content-Length: 0"], Body("length", 0), id="nothing, said"),
        pytest.param([b"Content-Length: 12"], Body("length", 12), id="a length"),
        pytest.param([b"content-length: 007"], Body("length", 7), id="zeros in front"),
        pytest.param([b"Content-Length: " + b"9" * 18], Body("length", 10**18 - 1), id="18 digits"),
        pytest.param([b"Transfer-Encoding: chunked"], Body("chunked"), id="chunks"),
        pytest.param([b"Transfer-Encoding: CHUNKED"], Body("chunked"), id="in any case"),
    ],
)
def test_a_body_ends(fields: list[bytes], body: Body) -> None:
    assert head(*fields).body == body


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        pytest.param(
            [b"Content-Length: 1", b"Transfer-Encoding: chunked"], BadRequest, id="both fields"
        ),
        pytest.param([b"Content-Length: 1", b"Content-Length: 1"], BadRequest, id="twice the same"),
        pytest.param([b"Content-Length: 1, 1"], BadRequest, id="a list"),
        pytest.param([b"Content-Length: +1"], BadRequest, id="a sign"),
        pytest.param([b"Content-Length: 0x1"], BadRequest, id="hexadecimal"),
        pytest.param([b"Content-Length:"], BadRequest, id="empty"),
        pytest.param([b"Content-Length: " + b"9" * 19], BadRequest, id="19 digits"),
        pytest.param([b"Transfer-Encoding: gzip, chunked"], UnknownCoding, id="another coding"),
        pytest.param([b"Transfer-Encoding: identity"], UnknownCoding, id="the old identity"),
        pytest.param([b"Transfer-Encoding:"], UnknownCoding, id="no coding"),
        pytest.param([b"Transfer-Encoding: chunked"] * 2, UnknownCoding, id="chunked twice"),
    ],
)
def test_a_body_that_can_end_in_two_ways_is_refused(
    fields: list[bytes], kind: type[BadRequest]
) -> None:
    with pytest.raises(BadRequest) as refused:
        head(*fields)
    assert type(refused.value) is kind


def test_http_1_0_has_no_chunks() -> None:
    with pytest.raises(BadRequest, match="has no Transfer-Encoding"):
        head(b"Transfer-Encoding: chunked", line=OLD)
    assert head(b"Content-Length: 3", line=OLD).body == Body("length", 3)


# --- what it wants of the connection --------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fields", "keep_alive"),
    [
        (GET, [], True),
        (GET, [b"Connection: close"], False),
        (GET, [b"Connection: x-a ,\t CLOSE"], False),
        (GET, [b"Connection: x-a", b"Connection: close"], False),
        (GET, [b"Connection: closed"], True),
        (GET, [b"Connection: keep-alive"], True),
        (OLD, [], False),
        (OLD, [b"Connection: keep-alive"], False),
    ],
)
def test_a_connection_is_kept_for_http_1_1_unless_the_client_says_close(
    line: bytes, fields: list[bytes], keep_alive: bool
) -> None:
    assert head(*fields, line=line).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("line", "fields", "waits"),
    [
        (GET, [b"Expect: 100-continue"], True),
        (GET, [b"Expect: 100-Continue", b"Expect: 100-continue"], True),
        (GET, [b"Connection: close"], False),
        (OLD, [b"Expect: 100-continue"], False),
    ],
)
def test_a_client_of_http_1_1_may_wait_for_100_continue(
    line: bytes, fields: list[bytes], waits: bool
) -> None:
    assert head(*fields, line=line).expects_100 is waits


@pytest.mark.parametrize("value", [b"200-ok", b"", b"100-continue, x"])
def test_no_other_expectation_is_met(value: bytes) -> None:
    with pytest.raises(ExpectationFailed) as refused:
        head(b"Expect: " + value)
    assert refused.value.status == 417


@pytest.mark.parametrize(
    ("line", "fields", "upgrade"),
    [
        (GET, [b"Connection: Upgrade", b"Upgrade: WebSocket"], b"websocket"),
        (GET, [b"Upgrade: websocket"], b""),
        (GET, [b"Connection: upgrade"], b""),
        (GET, [b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c"], b""),
        (OLD, [b"Connection: upgrade", b"Upgrade: websocket"], b""),
    ],
)
def test_a_switch_of_protocols_is_told_by_both_fields_and_names_one(
    line: bytes, fields: list[bytes], upgrade: bytes
) -> None:
    assert head(*fields, line=line).upgrade == upgrade


# --- one head after the other ---------------------------------------------------------------------

CHUNKED = b"transfer-encoding: chunked"


def test_equal_heads_are_one_value_and_equal_fields_too() -> None:
    reader = HeadReader()
    first = reader.read(GET + b"\r\nhost: h")
    assert reader.read(GET + b"\r\nhost: h") is first
    second = reader.read(b"POST /b HTTP/1.1\r\nhost: h")
    assert (second.method, second.target) == ("POST", b"/b")
    assert second.fields is first.fields


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (GET + b"\r\nhost: i", [(b"host", b"i")]),
        (GET + b"\r\nhost: h\r\na: b", [(b"host", b"h"), (b"a", b"b")]),
        (GET, []),
    ],
)
def test_what_is_remembered_is_not_taken_for_another_head(raw: bytes, fields: HeaderPairs) -> None:
    reader = HeadReader()
    assert reader.read(GET + b"\r\nhost: h").headers == [(b"host", b"h")]
    assert reader.read(raw).headers == fields


def test_what_is_refused_is_refused_again_whatever_was_read_before() -> None:
    reader = HeadReader()
    assert reader.read(GET + b"\r\n" + CHUNKED).body == Body("chunked")
    for _ in range(2):
        with pytest.raises(BadRequest, match="has no Transfer-Encoding"):
            reader.read(OLD + b"\r\n" + CHUNKED)
    for _ in range(2):
        with pytest.raises(BadRequest, match="its name a token"):
            reader.read(GET + b"\r\nhost")
