"""Targets and methods (RFC 9112 3.2, RFC 9110 9; rule 12)."""

from tests.hostile.cases import (
    HOST,
    SMUGGLED,
    Case,
    Seen,
    get,
    harmless,
    head,
    passed,
    refused,
)

_GET = Seen(b"GET /a")
_METHOD = (400, 405, 501)


def _path(name: str, path: bytes) -> Case:
    """A path that some server behind us reads as one below /internal, and another does not."""
    return refused(name, "rule 12", get(target=path), policy=True)


PATHS = [
    _path("dot segments", b"/public/../internal/x"),
    _path("dot segments, twice", b"/public/a/../../internal/x"),
    _path("dot segments above the root", b"/../internal/x"),
    _path("a dot segment", b"/./internal/x"),
    _path("escaped dots", b"/public/%2e%2e/internal/x"),
    _path("escaped dots in capitals", b"/public/%2E%2E/internal/x"),
    _path("one escaped dot", b"/public/.%2e/internal/x"),
    _path("an escaped dot segment", b"/%2e/internal/x"),
    _path("an escaped slash after the prefix", b"/internal%2fx"),
    _path("an escaped slash in front", b"/%2finternal/x"),
    _path("escaped dots and slash", b"/public/..%2finternal/x"),
    _path("all escaped", b"/public%2f%2e%2e%2finternal%2fx"),
    _path("escaped twice", b"/public/%252e%252e/internal/x"),
    _path("a slash escaped twice", b"/public/..%252finternal/x"),
    _path("a letter escaped", b"/%69nternal/x"),
    _path("a letter escaped twice", b"/%2569nternal/x"),
    _path("two slashes in front", b"//internal/x"),
    _path("three slashes in front", b"///internal/x"),
    _path("two slashes and dots", b"/public//../../internal/x"),
    _path("a parameter on the prefix", b"/internal;a=b/x"),
    _path("a parameter on dots", b"/public/..;/internal/x"),
    _path("a parameter on dots with a name", b"/public/..;a=b/internal/x"),
    _path("an escaped semicolon", b"/internal%3ba/x"),
    _path("a backslash", b"/public\\..\\internal\\x"),
    _path("a backslash in front", b"/\\internal/x"),
    _path("an escaped backslash", b"/public/..%5cinternal/x"),
    _path("a backslash escaped twice", b"/public/..%255cinternal/x"),
    _path("an escaped NUL", b"/internal%00/x"),
    _path("a NUL escaped twice", b"/public/%2500"),
    _path("an escaped line break", b"/public/%0d%0aX:y"),
    _path("an escaped control byte", b"/public/%01"),
    _path("an escaped DEL", b"/public/%7f"),
    _path("overlong dots", b"/public/%c0%ae%c0%ae/internal/x"),
    _path("an overlong slash", b"/public/..%c0%afinternal/x"),
    _path("an overlong slash of three bytes", b"/public/..%e0%80%afinternal/x"),
    _path("an escape without digits", b"/public/%zz"),
    _path("half an escape", b"/public/%2"),
    _path("a percent sign at the end", b"/public/%"),
    _path("bytes beyond ASCII", b"/public/\xe4"),
    refused("NUL in the target", "9112 3.2", get(target=b"/public/\x00")),
    refused("a control byte in the target", "9112 3.2", get(target=b"/public/\x01")),
    refused("an escape byte in the target", "9112 3.2", get(target=b"/public/\x1b[2J")),
    refused("DEL in the target", "9112 3.2", get(target=b"/public/\x7f")),
    passed(
        "a session in the path",
        "rule 12",
        get(target=b"/public/x;jsessionid=1"),
        sees=Seen(b"GET /public/x;jsessionid=1"),
    ),
    passed(
        "escapes that lead nowhere else",
        "3986 2.1",
        get(target=b"/public/%C3%A4%20b?q=%2e%2e/%2finternal"),
        sees=Seen(b"GET /public/%C3%A4%20b?q=%2e%2e/%2finternal"),
    ),
    passed("an empty query", "3986 3.4", get(target=b"/public/a?"), sees=Seen(b"GET /public/a?")),
    passed(
        "a query of paths",
        "3986 3.4",
        get(target=b"/public/a?/../internal//x"),
        sees=Seen(b"GET /public/a?/../internal//x"),
    ),
]

FORMS = [
    passed(
        "absolute form",
        "9112 3.2.2",
        get(target=b"http://facade.example/a"),
        sees=_GET,
        policy=True,
    ),
    passed(
        "absolute form in capitals",
        "9112 3.2.2",
        get(target=b"HTTP://FACADE.EXAMPLE/a"),
        sees=_GET,
        policy=True,
    ),
    refused(
        "absolute form of another host",
        "9112 3.2.2",
        get(target=b"http://other.example/a"),
        status=(400, 421),
        policy=True,
    ),
    refused(
        "absolute form with another port",
        "9112 3.2.2",
        get(target=b"http://facade.example:81/a"),
        status=(400, 421),
        policy=True,
    ),
    refused(
        "absolute form with userinfo",
        "9110 4.2.4",
        get(target=b"http://facade.example@other.example/a"),
        status=(400, 421),
    ),
    refused(
        "absolute form with userinfo before the host",
        "9110 4.2.4",
        get(target=b"http://user:secret@facade.example/a"),
        status=(400, 421),
        policy=True,
    ),
    refused(
        "absolute form with https on a clear connection",
        "9110 7.4",
        get(target=b"https://facade.example/a"),
        status=(400, 421),
        policy=True,
    ),
    refused(
        "absolute form of another scheme",
        "9110 7.4",
        get(target=b"ftp://facade.example/a"),
        policy=True,
    ),
    refused("absolute form without a host", "9110 4.2.1", get(target=b"http:///a")),
    refused("absolute form with one slash", "9112 3.2.2", get(target=b"http:/a")),
    refused(
        "absolute form with a backslash",
        "9112 3.2.2",
        get(target=b"http://facade.example\\@other.example/a"),
        status=(400, 421),
    ),
    refused(
        "absolute form to /internal by dots",
        "rule 12",
        get(target=b"http://facade.example/public/../internal/x"),
        policy=True,
    ),
    refused(
        "absolute form without a Host",
        "9112 3.2",
        head(b"GET http://facade.example/a HTTP/1.1"),
    ),
    refused("authority form with GET", "9112 3.2.3", get(target=b"facade.example:80")),
    refused("asterisk form with GET", "9112 3.2.4", get(target=b"*")),
    harmless("asterisk form with OPTIONS", "9112 3.2.4", head(b"OPTIONS * HTTP/1.1", HOST)),
    refused("a target without a slash", "9112 3.2.1", get(target=b"internal/x")),
    refused("a query alone", "9112 3.2.1", get(target=b"?a")),
    refused("a fragment", "9112 3.2", get(target=b"/a#b"), policy=True),
    refused("a fragment in the query", "9112 3.2", get(target=b"/a?b#c"), policy=True),
    # What follows a CONNECT may be meant for the tunnel.
    refused(
        "CONNECT",
        "9110 9.3.6",
        head(b"CONNECT facade.example:80 HTTP/1.1", HOST) + SMUGGLED,
        status=_METHOD,
        closes=True,
        policy=True,
    ),
    refused(
        "CONNECT to a path",
        "9110 9.3.6",
        head(b"CONNECT /public/a HTTP/1.1", HOST),
        status=_METHOD,
    ),
    refused(
        "TRACE",
        "9110 9.3.8",
        head(b"TRACE /a HTTP/1.1", HOST, b"Cookie: a=secret"),
        status=_METHOD,
        policy=True,
    ),
    refused(
        "TRACE with a body",
        "9110 9.3.8",
        head(b"TRACE /a HTTP/1.1", HOST, b"Content-Length: 5") + b"hello",
        status=_METHOD,
        policy=True,
    ),
]

TARGETS = [*PATHS, *FORMS]
