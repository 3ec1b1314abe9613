"""Requests whose head is malformed, or odd: request lines, line ends, fields and Host (RFC 9112 2, 3 and 5)."""

from tests.hostile.cases import (
    HOST,
    SMUGGLED,
    Case,
    Seen,
    either,
    get,
    harmless,
    head,
    passed,
    refused,
)

_GET = Seen(b"GET /a")
_VERSION = (400, 505)


def _line(
    name: str,
    line: bytes,
    rfc: str = "9112 3",
    status: tuple[int, ...] = (400,),
    policy: bool = False,
) -> Case:
    return refused(name, rfc, head(line, HOST), status=status, policy=policy)


def _field(name: str, line: bytes, rfc: str = "9112 5", policy: bool = False) -> Case:
    return refused(name, rfc, get(line), policy=policy)


def _host(name: str, value: bytes, policy: bool = False) -> Case:
    sent = head(b"GET /a HTTP/1.1", b"Host: " + value)
    return refused(name, "9112 3.2", sent, policy=policy)


LINES = [
    _line("two spaces before the target", b"GET  /a HTTP/1.1", policy=True),
    _line("two spaces before the version", b"GET /a  HTTP/1.1", policy=True),
    _line("tabs for spaces", b"GET\t/a\tHTTP/1.1", policy=True),
    _line("a form feed for a space", b"GET /a\x0cHTTP/1.1", policy=True),
    _line("a space before the method", b" GET /a HTTP/1.1", policy=True),
    _line("a space after the version", b"GET /a HTTP/1.1 ", policy=True),
    _line("a space in the target", b"GET /a b HTTP/1.1"),
    _line("four words", b"GET /a HTTP/1.1 HTTP/1.1"),
    _line("no target", b"GET HTTP/1.1"),
    _line("an empty target", b"GET  HTTP/1.1"),
    _line("no version", b"GET /a", status=_VERSION),
    _line("a method alone", b"GET"),
    _line("HTTP/0.9 said", b"GET /a HTTP/0.9", "9110 2.5", _VERSION),
    _line("HTTP/2.0", b"GET /a HTTP/2.0", "9110 15.6.6", _VERSION),
    _line("HTTP/3.0", b"GET /a HTTP/3.0", "9110 15.6.6", _VERSION),
    _line("a version in lower case", b"GET /a http/1.1", "9112 2.3", _VERSION),
    _line("HTTP/1.10", b"GET /a HTTP/1.10", "9112 2.3", _VERSION),
    _line("HTTP/01.1", b"GET /a HTTP/01.1", "9112 2.3", _VERSION),
    _line("HTTP/1", b"GET /a HTTP/1", "9112 2.3", _VERSION),
    _line("HTTP/1.", b"GET /a HTTP/1.", "9112 2.3", _VERSION),
    _line("HTTP/1.1x", b"GET /a HTTP/1.1x", "9112 2.3", _VERSION),
    _line("HTTP/1,1", b"GET /a HTTP/1,1", "9112 2.3", _VERSION),
    _line("HTTP /1.1", b"GET /a HTTP /1.1", "9112 2.3", _VERSION),
    _line("HTTP/-1.1", b"GET /a HTTP/-1.1", "9112 2.3", _VERSION),
    _line("HTTPS/1.1", b"GET /a HTTPS/1.1", "9112 2.3", _VERSION),
    _line("ICE/1.0", b"SOURCE /a ICE/1.0", "9112 2.3", _VERSION),
    _line("RTSP/1.0", b"DESCRIBE /a RTSP/1.0", "9112 2.3", _VERSION),
    _line("NUL after the version", b"GET /a HTTP/1.1\x00", "9112 2.3", _VERSION),
    either("HTTP/1.2", "9110 2.5", head(b"GET /a HTTP/1.2", HOST), sees=_GET, status=_VERSION),
    refused(
        "the preface of HTTP/2",
        "9113 3.4",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0",
        status=_VERSION,
        closes=True,
        policy=True,
    ),
    _line("a method that is no token", b"GE(T /a HTTP/1.1", "9110 9.1"),
    _line("a method with a colon", b"GET: /a HTTP/1.1", "9110 9.1"),
    _line("a method beyond ASCII", b"G\xc9T /a HTTP/1.1", "9110 9.1"),
    _line("NUL in the method", b"G\x00ET /a HTTP/1.1", "9110 9.1"),
    _line(
        "a method of 20,000 bytes",
        b"A" * 20_000 + b" /a HTTP/1.1",
        "9112 3",
        (400, 405, 414, 431, 501),
    ),
    either(
        "a method that nobody knows",
        "9110 9.1",
        head(b"BREW /a HTTP/1.1", HOST),
        sees=Seen(b"BREW /a"),
        status=(400, 405, 501),
    ),
    either(
        "a method in lower case",
        "9110 9.1",
        head(b"get /a HTTP/1.1", HOST),
        sees=Seen(b"get /a"),
        status=(400, 405, 501),
    ),
    refused("a TLS hello", "9112 2.1", b"\x16\x03\x01\x00\x05hello\r\n\r\n", closes=True),
    refused("an SSH greeting", "9112 2.1", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", closes=True),
    refused(
        "the PROXY protocol, unasked",
        "9112 2.1",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get(),
        status=_VERSION,
        closes=True,
    ),
    refused("random bytes", "9112 2.1", bytes(range(128, 256)) * 4 + b"\r\n\r\n", closes=True),
    passed("an empty line in front", "9112 2.2", b"\r\n" + get(), sees=_GET),
    refused(
        "10,000 empty lines in front",
        "9112 2.2",
        b"\r\n" * 10_000 + get(),
        closes=True,
        policy=True,
    ),
    refused("LF in front", "9112 2.2", b"\n" + get(), closes=True, policy=True),
    refused("CR in front", "9112 2.2", b"\r" + get(), closes=True, policy=True),
    refused("a space in front", "9112 2.2", b" \r\n" + get(), closes=True),
]

LINE_ENDS = [
    refused(
        "LF for every line end",
        "9112 2.2",
        get().replace(b"\r\n", b"\n"),
        closes=True,
        policy=True,
    ),
    refused(
        "LF after the request line",
        "9112 2.2",
        get().replace(b"\r\n", b"\n", 1),
        closes=True,
        policy=True,
    ),
    refused("LF after a field", "9112 2.2", get(b"X: y\nZ: z"), closes=True, policy=True),
    refused("LF at the end of the head", "9112 2.2", get()[:-2] + b"\n", closes=True, policy=True),
    refused(
        "LF CRLF at the end of the head",
        "9112 2.2",
        get()[:-4] + b"\n\r\n",
        closes=True,
        policy=True,
    ),
    refused("CR after the request line", "9112 2.2", get().replace(b"\r\n", b"\r", 1), closes=True),
    refused("CR CR LF after a field", "9112 2.2", get(b"X: y\r\r\nZ: z"), closes=True, policy=True),
    refused("CR in a value", "9112 2.2", get(b"X: y\rz"), closes=True),
    refused("CR before a colon", "9112 2.2", get(b"X\r: y"), closes=True),
    refused("CR at the end of a value", "9112 2.2", get(b"X: y\r"), closes=True, policy=True),
    refused(
        "CR in the request line",
        "9112 2.2",
        head(b"GET /a\r HTTP/1.1", HOST),
        closes=True,
        policy=True,
    ),
    refused(
        "a request behind a bare CR",
        "9112 2.2",
        get(b"X: y\r\r" + SMUGGLED.replace(b"\r\n", b"\r")),
        closes=True,
    ),
    refused("obs-fold with a space", "9112 5.2", get(b"X: y\r\n z"), closes=True, policy=True),
    refused("obs-fold with a tab", "9112 5.2", get(b"X: y\r\n\tz"), closes=True, policy=True),
    refused(
        "obs-fold of a Host",
        "9112 5.2",
        head(b"GET /a HTTP/1.1", b"Host:\r\n a"),
        closes=True,
        policy=True,
    ),
    refused("obs-fold with nothing in it", "9112 5.2", get(b"X: y\r\n "), closes=True, policy=True),
    refused(
        "a space before the first field",
        "9112 2.2",
        head(b"GET /a HTTP/1.1", b" X: y", HOST),
        closes=True,
    ),
    refused(
        "a tab before the first field",
        "9112 2.2",
        head(b"GET /a HTTP/1.1", b"\tX: y", HOST),
        closes=True,
    ),
]

FIELDS = [
    _field("a space before the colon", b"X : y", "9112 5.1"),
    _field("a tab before the colon", b"X\t: y", "9112 5.1"),
    _field("a space in a name", b"X Y: z"),
    _field("no name", b": y"),
    _field("no colon", b"XY"),
    _field("a slash in a name", b"X/Y: z", policy=True),
    _field("a bracket in a name", b"X[]: z", policy=True),
    _field("a quote in a name", b'X"Y: z', policy=True),
    _field("an at sign in a name", b"X@Y: z", policy=True),
    _field("a brace in a name", b"X{Y: z", policy=True),
    _field("a name beyond ASCII", b"X\xe4: y", policy=True),
    _field("NUL in a name", b"X\x00: y"),
    _field("a control byte in a name", b"X\x01: y"),
    _field("DEL in a name", b"X\x7f: y"),
    _field("NUL in a value", b"X: y\x00z", "9110 5.5"),
    _field("a control byte in a value", b"X: y\x01z", "9110 5.5", policy=True),
    _field("a backspace in a value", b"X: y\x08z", "9110 5.5", policy=True),
    _field("a vertical tab in a value", b"X: y\x0bz", "9110 5.5", policy=True),
    _field("an escape in a value", b"X: y\x1b[2Jz", "9110 5.5", policy=True),
    _field("DEL in a value", b"X: y\x7fz", "9110 5.5", policy=True),
    passed("an empty value", "9112 5", get(b"X-Empty:"), sees=_GET),
    passed("a tab in a value", "9110 5.5", get(b"X-A: y\tz"), sees=_GET),
    passed("a value beyond ASCII", "9110 5.5", get(b"X-A: \xe4\xff"), sees=_GET),
    passed("a value in spaces", "9112 5.1", get(b"X-A: \t y \t "), sees=_GET),
    passed("a name of odd token bytes", "9110 5.1", get(b"!#$%&'*+.^`|~09az: y"), sees=_GET),
    passed(
        "a request in single bytes",
        "9112 2.2",
        *(bytes((byte,)) for byte in get(b"X-A: y")),
        sees=_GET,
    ),
]

HOSTS = [
    refused("no Host", "9112 3.2", head(b"GET /a HTTP/1.1", b"X: y")),
    refused("two equal Hosts", "9112 3.2", get(HOST)),
    refused("two different Hosts", "9112 3.2", get(b"Host: other.example")),
    refused("two Hosts, one empty", "9112 3.2", get(b"Host:")),
    _host("a Host with a path and a query", b"a/internal/x?"),
    _host("a Host with a path", b"a/internal"),
    _host("a Host with a query", b"a?b"),
    _host("a Host with a fragment", b"a#b"),
    _host("a Host with a space", b"a b"),
    _host("a Host with a tab", b"a\tb"),
    _host("a Host with userinfo", b"a@b"),
    _host("a Host with a password", b"user:secret@b"),
    _host("a Host with a scheme", b"http://a"),
    _host("a Host with a backslash", b"a\\b"),
    _host("a Host in angle brackets", b"<a>"),
    _host("a Host with a quote", b'a"b'),
    _host("a Host beyond ASCII", b"a\xff"),
    _host("a Host with NUL", b"a\x00b"),
    _host("a Host with a port of letters", b"a:b"),
    _host("a Host with a negative port", b"a:-1"),
    _host("a Host with two ports", b"a:80:80"),
    _host("a Host with an open bracket", b"[::1"),
    _host("a Host with bytes behind its bracket", b"[::1]x"),
    _host("an IPv6 Host without brackets", b"::1"),
    _host("a Host in brackets that is no address", b"[zz]"),
    _host("a Host with a comma", b"a,b", policy=True),
    _host("a Host with a semicolon", b"a;b", policy=True),
    _host("a Host that is escaped", b"a%2fb", policy=True),
    _host("a Host with a port of 99999", b"a:99999", policy=True),
    harmless("an empty Host", "9112 3.2", head(b"GET /a HTTP/1.1", b"Host:")),
    passed(
        "a Host with a port",
        "9112 3.2",
        head(b"GET /a HTTP/1.1", b"Host: facade.example:8080"),
        sees=_GET,
    ),
    passed(
        "an IPv6 Host", "9112 3.2", head(b"GET /a HTTP/1.1", b"Host: [2001:db8::1]:80"), sees=_GET
    ),
    passed("HTTP/1.0 without a Host", "9112 3.2", head(b"GET /a HTTP/1.0"), sees=_GET),
]

HEADS = [*LINES, *LINE_ENDS, *FIELDS, *HOSTS]
