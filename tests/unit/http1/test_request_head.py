"""The head of a request: only what the grammar of HTTP/1.1 allows is accepted (RFC 9112)."""

import pytest

from proxy.errors import BadRequest, ExpectationFailed, UnknownCoding, UnknownVersion
from proxy.http1.request_head import RequestHead, read_request_head
from proxy.model import Body

GET = b"GET /a HTTP/1.1"
GET_10 = b"GET /a HTTP/1.0"


def head(*fields: bytes, line: bytes = GET) -> RequestHead:
    return read_request_head(b"\r\n".join((line, *fields)))


# --- the request line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "method", "target", "minor"),
    [
        pytest.param(GET, "GET", b"/a", 1, id="HTTP/1.1"),
        pytest.param(b"GET /a HTTP/1.0", "GET", b"/a", 0, id="HTTP/1.0"),
        pytest.param(b"BREW /a HTTP/1.1", "BREW", b"/a", 1, id="a rare method"),
        pytest.param(b"get /a HTTP/1.1", "get", b"/a", 1, id="case counts in methods"),
        pytest.param(b"M" * 64 + b" /a HTTP/1.1", "M" * 64, b"/a", 1, id="the longest method"),
        pytest.param(b"OPTIONS * HTTP/1.1", "OPTIONS", b"*", 1, id="no path"),
        pytest.param(b"GET /%2F\xe9?q HTTP/1.1", "GET", b"/%2F\xe9?q", 1, id="bytes as sent"),
    ],
)
def test_a_request_line_is_read(line: bytes, method: str, target: bytes, minor: int) -> None:
    result = head(line=line)
    assert (result.method, result.target, result.minor) == (method, target, minor)
    assert (result.headers, result.body) == ([], Body("none"))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"GET", id="a method alone"),
        pytest.param(b"GET /a", id="no version"),
        pytest.param(b"GET  /a HTTP/1.1", id="two spaces"),
        pytest.param(b"GET\t/a HTTP/1.1", id="a tab"),
        pytest.param(b"GET /a HTTP/1.1 ", id="a space after the version"),
        pytest.param(b"GET /a b HTTP/1.1", id="a space in the target"),
        pytest.param(b"GE(T /a HTTP/1.1", id="a method that is no token"),
        pytest.param(b"M" * 65 + b" /a HTTP/1.1", id="a method too long"),
        pytest.param(b"GET /a http/1.1", id="a version in lower case"),
        pytest.param(b"GET /a HTTP/1.10", id="two digits"),
        pytest.param(b"GET /a ICY/1.1", id="another protocol"),
    ],
)
def test_an_invalid_request_line_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequest, match="the request line is not") as refused:
        head(line=line)
    assert refused.value.status == 400


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0", b"3.0"])
def test_another_version_of_http_has_its_own_error(version: bytes) -> None:
    with pytest.raises(UnknownVersion) as refused:
        head(line=b"GET /a HTTP/" + version)
    assert refused.value.status == 505


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (GET + b"\nhost: h", "ends without CR LF"),
        (GET + b"\rhost: h", "ends without CR LF"),
        (b"GET /\x00 HTTP/1.1", "a control character"),
        (GET + b"\r\na: \x01", "a control character"),
        (GET + b"\r\na: b\nc: d", "ends without CR LF"),
    ],
)
def test_control_characters_and_bare_line_ends_are_refused(raw: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        read_request_head(raw)


# --- its fields -----------------------------------------------------------------------------------


def test_fields_are_read_in_order_with_names_in_lower_case() -> None:
    result = head(b"Host: h", b"X-A:\t 1 2 \t", b"x-a:", b"!#$%&'*+-.^_`|~9: \xe9")
    assert result.headers == [
        (b"host", b"h"),
        (b"x-a", b"1 2"),
        (b"x-a", b""),
        (b"!#$%&'*+-.^_`|~9", b"\xe9"),
    ]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        pytest.param(b" x-b: 1", "goes on in the next line", id="a folded line"),
        pytest.param(b"\tx-b: 1", "goes on in the next line", id="folded with a tab"),
        pytest.param(b"x-b : 1", "its name a token", id="a space before the colon"),
        pytest.param(b"x-b", "its name a token", id="no colon"),
        pytest.param(b"Host", "its name a token", id="a common name without colon"),
        pytest.param(b": 1", "its name a token", id="no name"),
        pytest.param(b"x(b): 1", "its name a token", id="a name that is no token"),
        pytest.param(b"", "its name a token", id="an empty line"),
    ],
)
def test_an_invalid_field_is_refused(field: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        head(b"host: h", field, b"x-c: 1")


# --- how the body ends ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param([b"Host: h"], Body("none"), id="no framing field"),
        pytest.param([b"Content-Length: 0"], Body("length", 0), id="length 0"),
        pytest.param([b"Content-Length: 12"], Body("length", 12), id="a length"),
        pytest.param([b"content-length: 007"], Body("length", 7), id="leading zeros"),
        pytest.param([b"Content-Length: " + b"9" * 18], Body("length", 10**18 - 1), id="18 digits"),
        pytest.param([b"Transfer-Encoding: chunked"], Body("chunked"), id="chunks"),
        pytest.param([b"Transfer-Encoding: CHUNKED"], Body("chunked"), id="in any case"),
    ],
)
def test_the_framing_is(fields: list[bytes], body: Body) -> None:
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
def test_ambiguous_framing_is_refused(fields: list[bytes], kind: type[BadRequest]) -> None:
    with pytest.raises(BadRequest) as refused:
        head(*fields)
    assert type(refused.value) is kind


def test_http_1_0_has_no_chunks() -> None:
    with pytest.raises(BadRequest, match="has no Transfer-Encoding"):
        head(b"Transfer-Encoding: chunked", line=GET_10)
    assert head(b"Content-Length: 3", line=GET_10).body == Body("length", 3)


# --- connection, expectations and upgrades --------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fields", "keep_alive"),
    [
        (GET, [], True),
        (GET, [b"Connection: close"], False),
        (GET, [b"Connection: x-a ,\t CLOSE"], False),
        (GET, [b"Connection: x-a", b"Connection: close"], False),
        (GET, [b"Connection: closed"], True),
        (GET, [b"Connection: keep-alive"], True),
        (GET_10, [], False),
        (GET_10, [b"Connection: keep-alive"], True),
        (GET_10, [b"Connection: x-a", b"Connection: TE ,\tKeep-Alive"], True),
        (GET_10, [b"Connection: keep-alive, close"], False),
        (GET_10, [b"Connection: keep-alive", b"Connection: close"], False),
        (GET_10, [b"Connection: keep-alives"], False),
        (GET_10, [b"Proxy-Connection: keep-alive"], False),
    ],
)
def test_a_connection_is_kept_by_default_in_http_1_1_and_on_request_in_http_1_0(
    line: bytes, fields: list[bytes], keep_alive: bool
) -> None:
    assert head(*fields, line=line).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("line", "fields", "expects_100"),
    [
        (GET, [b"Expect: 100-continue"], True),
        (GET, [b"Expect: 100-Continue", b"Expect: 100-continue"], True),
        (GET, [b"Connection: close"], False),
        (GET_10, [b"Expect: 100-continue"], False),
    ],
)
def test_a_client_of_http_1_1_may_wait_for_100_continue(
    line: bytes, fields: list[bytes], expects_100: bool
) -> None:
    assert head(*fields, line=line).expects_100 is expects_100


@pytest.mark.parametrize("value", [b"200-ok", b"", b"100-continue, x"])
def test_another_expectation_is_refused(value: bytes) -> None:
    with pytest.raises(ExpectationFailed) as refused:
        head(b"Expect: " + value)
    assert refused.value.status == 417


@pytest.mark.parametrize(
    ("line", "fields", "upgrades"),
    [
        (GET, [b"Connection: Upgrade", b"Upgrade: WebSocket"], (b"websocket",)),
        (GET, [b"Upgrade: websocket"], ()),
        (GET, [b"Connection: upgrade"], ()),
        (GET, [b"Connection: upgrade", b"Upgrade:"], ()),
        (GET, [b"Connection: upgrade", b"Upgrade: a", b"Upgrade: H2c"], (b"a", b"h2c")),
        (GET, [b"Connection: upgrade", b"Upgrade: h2c ,,\tfoo/2, "], (b"h2c", b"foo/2")),
        (GET_10, [b"Connection: upgrade", b"Upgrade: websocket"], ()),
    ],
)
def test_an_upgrade_needs_both_fields_and_names_protocols(
    line: bytes, fields: list[bytes], upgrades: tuple[bytes, ...]
) -> None:
    assert head(*fields, line=line).upgrades == upgrades


def test_the_preface_of_http_2_is_named() -> None:
    with pytest.raises(UnknownVersion, match="the client speaks HTTP/2"):
        read_request_head(b"PRI * HTTP/2.0")
