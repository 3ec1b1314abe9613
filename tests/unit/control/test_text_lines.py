"""Lines of text logs, as servers write them and as clients spoil them."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.control.replay.log_reader import BALANCER, COMMON, read_line
from proxy.control.replay.recorded_requests import LoggedRequest, Unreadable
from proxy.control.replay.text_lines import odd_fields, request_of, usual_fields

TIME = "[29/Nov/2026:10:00:00 +0000]"
COMMON_LINE = f'192.0.2.1 - - {TIME} "%s" 200 512'
BALANCER_LINE = (
    "%s 2026-11-29T10:00:00.945958Z app/shop/50dc6c495c0c9188 %s 10.0.0.1:80 0.000 0.001 0.000 %s 34 366 "
    '"%s" "curl/8.5.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/t/73e2d6bc24d8a067 '
    '"Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2026-11-29T10:00:00.364000Z "forward" "-" "-" "10.0.0.1:80" '
    '"200" "-" "-" TID_1234abcd5678ef90'
)


def read(line: str | bytes) -> LoggedRequest | None:
    return read_line(line.encode("latin-1") if isinstance(line, str) else line)[1]


def parts(line: str | bytes) -> tuple[object, ...]:
    logged = read(line)
    assert logged is not None
    return logged.method, logged.host, logged.target, logged.client, logged.status


USUAL = ("GET", "", "/a?x=1", "192.0.2.1", 200)
GET = "GET /a?x=1 HTTP/1.1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(f'192.0.2.1 - - {TIME} "{GET}" 200 512', USUAL, id="common"),
        pytest.param(
            f'192.0.2.1 - frank {TIME} "{GET}" 200 512 "https://h/" "Mozilla/5.0 (X11)"',
            USUAL,
            id="combined",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "{GET}" 200 512 "-" "a \\"b\\" " c" 17', USUAL, id="quotes"
        ),
        pytest.param(f'192.0.2.1 - - {TIME} "{GET}" 200 - 1234', USUAL, id="Tomcat, %D"),
        pytest.param(
            f'192.0.2.1 - - {TIME} "{GET}" 200 5 "-" "-" 0.004 0.003 [shop-80] [] 10.0.0.1:80 5 0.003 200 f3',
            USUAL,
            id="nginx ingress",
        ),
        pytest.param(f'192.0.2.1 - - {TIME} "{GET}" 200', USUAL, id="nothing behind the status"),
        pytest.param(f'192.0.2.1 - - {TIME} "{GET}" 200\r', USUAL, id="CR LF"),
        pytest.param(
            f"\ufeff192.0.2.1 - - {TIME} ".encode() + b'"GET /a?x=1 HTTP/1.1" 200 1',
            USUAL,
            id="BOM",
        ),
        pytest.param("\0" * 999 + f'192.0.2.1 - - {TIME} "{GET}" 200 1', USUAL, id="NULs in front"),
        pytest.param(
            f'2001:db8::1 - - {TIME} "{GET}" 200 1',
            ("GET", "", "/a?x=1", "2001:db8::1", 200),
            id="IPv6",
        ),
        pytest.param(
            f'www.example:443 192.0.2.1 - - {TIME} "{GET}" 200 1',
            ("GET", "www.example:443", "/a?x=1", "192.0.2.1", 200),
            id="virtual host",
        ),
        pytest.param(
            f'192.0.2.9, 192.0.2.1 - - {TIME} "{GET}" 200 1', USUAL, id="forwarded for is no host"
        ),
        pytest.param(f'192.0.2.1 - jo e x {TIME} "{GET}" 200 1', USUAL, id="spaces in a name"),
        pytest.param(
            f'Nov 29 10:00:00 web nginx: 192.0.2.1 - - {TIME} "{GET}" 200 1', USUAL, id="syslog"
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET /a"b HTTP/1.1" 404 1',
            ("GET", "", '/a"b', "192.0.2.1", 404),
            id="a quote without escape",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET /a\\x22\\x5C\\xe9\\" HTTP/1.1" 200 1',
            ("GET", "", '/a"\\\xe9"', "192.0.2.1", 200),
            id="escapes",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET /a\\x2\\n\\q HTTP/1.1" 200 1',
            ("GET", "", "/a\\x2\n\\q", "192.0.2.1", 200),
            id="broken escapes stay",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET /a\\" 200 1 "-" "-"',
            ("GET", "", "/a\\", "192.0.2.1", 200),
            id="a backslash before the quote",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET /\xe9\x00 HTTP/1.1" 200 1',
            ("GET", "", "/\xe9\x00", "192.0.2.1", 200),
            id="Latin-1 and NUL",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET /a b c HTTP/1.0" 200 1',
            ("GET", "", "/a b c", "192.0.2.1", 200),
            id="spaces in a target",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET /a" 200 1',
            ("GET", "", "/a", "192.0.2.1", 200),
            id="HTTP/0.9",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET http://u:p@h.example:80/a?b HTTP/1.1" 200 1',
            ("GET", "h.example", "/a?b", "192.0.2.1", 200),
            id="absolute form",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "GET HTTP://h.example:8080?b HTTP/1.1" 200 1',
            ("GET", "h.example:8080", "/?b", "192.0.2.1", 200),
            id="absolute form without a path",
        ),
        pytest.param(
            f'192.0.2.1 - - {TIME} "PROPFIND /a HTTP/2.0" - 1',
            ("PROPFIND", "", "/a", "192.0.2.1", 0),
            id="no status, another method",
        ),
    ],
)
def test_a_line_in_common_or_combined_log_format_is_read(
    line: str | bytes, expected: tuple[object, ...]
) -> None:
    assert parts(line) == expected
    assert read_line(line if isinstance(line, bytes) else line.encode("latin-1"))[0] == COMMON


@pytest.mark.parametrize("kind", ["http", "https", "h2", "grpcs", "ws", "wss"])
def test_a_line_of_a_load_balancer_is_read(kind: str) -> None:
    url = "https://www.example.com:443/a?x=1"
    line = BALANCER_LINE % (kind, "192.0.2.1:2817", "502 -", f"GET {url} HTTP/2.0")
    assert parts(line) == ("GET", "www.example.com", "/a?x=1", "192.0.2.1", 502)
    assert read_line(line.encode())[0] == BALANCER


@pytest.mark.parametrize(
    ("client", "statuses", "request_line", "expected"),
    [
        (
            "[2001:db8::1]:2817",
            "- -",
            "GET http://h:8080 HTTP/1.1",
            ("GET", "h:8080", "/", "2001:db8::1", 0),
        ),
        (
            "192.0.2.1:1",
            "200 200",
            "GET wss://h:443/a\\x22b HTTP/1.1",
            ("GET", "h", '/a"b', "192.0.2.1", 200),
        ),
        (
            "192.0.2.1:1",
            "400 -",
            'GET http://h:80/a"b c HTTP/1.1',
            ("GET", "h", '/a"b c', "192.0.2.1", 400),
        ),
    ],
)
def test_an_odd_line_of_a_load_balancer_is_read(
    client: str, statuses: str, request_line: str, expected: tuple[object, ...]
) -> None:
    assert parts(BALANCER_LINE % ("http", client, statuses, request_line)) == expected


def test_a_line_of_a_load_balancer_of_the_older_generation_is_read() -> None:
    line = BALANCER_LINE % ("", "192.0.2.1:2817", "200 200", "GET http://h:80/a HTTP/1.1")
    assert parts(line.lstrip()) == ("GET", "h", "/a", "192.0.2.1", 200)


@pytest.mark.parametrize(
    "request_line",
    [
        "-",
        "",
        "GET",
        "GET HTTP/1.1",
        "CONNECT h.example:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "PRI * HTTP/2.0",
        "\\x16\\x03\\x01\\x02\\x00\\x01",
        "\\x05\\x01\\x00",
        "G(T /a HTTP/1.1",
        "GET a/b HTTP/1.1",
    ],
)
def test_a_request_without_a_path_is_none(request_line: str) -> None:
    assert read(COMMON_LINE % request_line) is None


@pytest.mark.parametrize("request_line", ["- http://h:80- -", "- - - "])
def test_a_request_that_a_load_balancer_did_not_understand_is_none(request_line: str) -> None:
    assert read(BALANCER_LINE % ("http", "192.0.2.1:1", "400 -", request_line)) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "2026/11/29 10:00:00 [error] 7#7: *1 open() failed (2: No such file)",
        f'192.0.2.1 - - {TIME} "GET /a HTTP/1.1',
        f'192.0.2.1 - - {TIME} "GET /a HTTP/1.1" 20',
        f'192.0.2.1 - - {TIME} "GET /a HTTP/1.1" 2000',
        f'192.0.2.1 - {TIME} "GET /a HTTP/1.1" 200',
        f"192.0.2.1 - - {TIME} GET /a HTTP/1.1 200",
        "#Fields: date time cs-method cs-uri-stem",
        "h2 2026-11-29T10:00:00.945958Z app/shop",
        "\0\0\0",
        '"' * 100_000,
        "[" * 100_000,
        "a b " + ' [x] "' * 90 + "y" * 100_000,
        'h2 2026-11-29T1Z a b c d e f 200 1 2 3 "' + '" 1' * 50_000,
    ],
)
def test_any_other_line_is_refused(line: str) -> None:
    with pytest.raises(Unreadable, match="it is in no known format"):
        read(line)


TEXTS = st.text(st.characters(max_codepoint=255, exclude_characters="\n"), max_size=40)


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"{" * 5000)
def test_every_line_is_read_or_refused(line: bytes) -> None:
    try:
        name, logged = read_line(line)
    except Unreadable:
        return
    assert name
    assert logged is None or str(logged.target).startswith("/")


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["common", "balancer"]))
def test_every_request_line_is_read(request_line: str, kind: str) -> None:
    escaped = "".join(
        each if " " <= each < "\x7f" and each not in '"\\' else f"\\x{ord(each):02X}"
        for each in f"/{request_line}"
    ).strip(" ")
    if kind == "common":
        logged = read(COMMON_LINE % f"GET {escaped} HTTP/1.1")
        wanted = f"/{request_line}".strip(" ")
    else:
        request = f"GET http://h:80{escaped} HTTP/1.1"
        logged = read(BALANCER_LINE % ("http", "192.0.2.1:1", "200 200", request))
        wanted = f"/{request_line}".strip(" ")
    assert logged is not None
    assert logged.target == wanted


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_the_usual_way_and_the_other_read_the_same(request_line: str, behind: str) -> None:
    line = f'192.0.2.1 - - {TIME} "{request_line}" 200 5 {behind}'.encode("latin-1")
    usual, odd = usual_fields(line), odd_fields(line)
    if usual is not None and b'"' not in usual.request:
        assert usual == odd
        assert odd is not None
        assert request_of(usual) == request_of(odd)
