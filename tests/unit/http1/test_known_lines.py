"""What a field line is, read once and known from then on."""

import pytest

from proxy.http1 import known_lines as kinds
from proxy.http1.known_lines import MAX_LINE_BYTES, MAX_LINES, KnownLines
from proxy.model import written_name


@pytest.mark.parametrize(
    ("line", "kind", "name", "value"),
    [
        (b"Accept: */*", kinds.PLAIN, b"accept", b"*/*"),
        (b"x-a:\t 1 2 \t", kinds.PLAIN, b"x-a", b"1 2"),
        (b"x-a:", kinds.PLAIN, b"x-a", b""),
        (b"X-A: \xe9", kinds.PLAIN, b"x-a", b"\xe9"),
        (b"Cookie: a=1", kinds.COOKIE, b"cookie", b"a=1"),
        (b"Host: h:80", kinds.HOST, b"host", b"h:80"),
        (b"Host: [::1]", kinds.HOST, b"host", b"[::1]"),
        (b"Content-Length: 12", kinds.LENGTH, b"content-length", b"12"),
        (b"Connection: Close", kinds.CLOSE, b"connection", b"Close"),
        (b"Connection: Keep-Alive", kinds.KEEP_ALIVE, b"connection", b"Keep-Alive"),
        (b"TE: trailers", kinds.DROPPED, b"te", b"trailers"),
        (b"X-Real-IP: 1", kinds.RESTRICTED, b"x-real-ip", b"1"),
        (b"x_y: 1", kinds.RESTRICTED, b"x_y", b"1"),
        (b"X-Forwarded-Any: 1", kinds.REPORTING, b"x-forwarded-any", b"1"),
        (b"Forwarded: for=1", kinds.FORWARDING, b"forwarded", b"for=1"),
        (b"Via: 1.1 x", kinds.VIA, b"via", b"1.1 x"),
        (b"Traceparent: x", kinds.IDS, b"traceparent", b"x"),
        (b"X-Request-ID: x", kinds.IDS, b"x-request-id", b"x"),
        (b"Tracestate: a=b", kinds.STATE, b"tracestate", b"a=b"),
    ],
)
def test_a_line_is(line: bytes, kind: int, name: bytes, value: bytes) -> None:
    known = KnownLines()
    for _ in range(2):
        found = known[line]
        assert found[:3] == (kind, name, value)
        goes_on = kind in (kinds.PLAIN, kinds.COOKIE, kinds.REPORTING, kinds.STATE)
        assert found[3] == (b"%b: %b\r\n" % (line.partition(b":")[0], value) if goes_on else b"")
        assert written_name(found[1]) == line.partition(b":")[0]


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"x", b": x", b" x: y", b"x : y", b"x(: y", b"x: \x00", b"x: \x7f", b"x: a\nb: c"),
        *(b"x: a\rb", b"Host: a b", b"Host:", b"Host: h:65536", b"Host: a,b"),
        *(b"Content-Length: 1,1", b"Content-Length: -1", b"Content-Length: " + b"9" * 19),
        *(b"Connection: x-a", b"Connection: close, x-a", b"Connection:"),
        *(b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Upgrade: h2c"),
    ],
)
def test_a_line_is_for_the_strict_reader(line: bytes) -> None:
    assert KnownLines()[line][0] == kinds.STRICT


@pytest.mark.parametrize(
    "line",
    [
        *(b"Cookie: a=1", b"Authorization: b", b"Referer: /", b"If-None-Match: x", b"Range: x"),
        *(b"X-Forwarded-For: 1", b"Forwarded: for=1", b"Traceparent: x", b"X-Request-ID: x"),
        b"x: " + b"y" * (MAX_LINE_BYTES - 2),
        b"malformed",
    ],
)
def test_a_line_of_one_client_or_of_none_is_not_kept(line: bytes) -> None:
    known = KnownLines()
    assert known[line]
    assert len(known) == 0
    assert known[b"x: " + b"y" * (MAX_LINE_BYTES - 3)]
    assert len(known) == 1


def test_a_flood_of_lines_does_not_grow_what_is_kept() -> None:
    known = KnownLines()
    for number in range(3 * MAX_LINES):
        assert known[b"x-a: %d" % number][2] == b"%d" % number
        assert len(known) <= MAX_LINES


def test_two_spellings_of_a_line_are_two_lines_with_one_name() -> None:
    known = KnownLines()
    for line in (b"X-A: 1", b"x-a: 1", b"X-a: 1"):
        assert known[line][3] == line + b"\r\n"
    assert len(known) == 3
    assert {line[1] for line in known.values()} == {b"x-a"}
