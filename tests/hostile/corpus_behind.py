"""Upgrades, and what comes behind a request (RFC 9110 7.8 and 10.1.1, RFC 9112 9)."""

from tests.hostile.cases import HOST, SMUGGLED, Seen, either, get, harmless, head, passed, post

_GET = Seen(b"GET /a")
_WEBSOCKET = (
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
_H2C = (
    b"Connection: Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

UPGRADES = [
    either(
        "an upgrade to h2c",
        "9113 3.1",
        get(*_H2C),
        sees=Seen(b"GET /a", lacks=(b"upgrade", b"http2-settings")),
    ),
    harmless("an upgrade to h2c and the preface of HTTP/2", "9113 3.1", get(*_H2C), None, _PREFACE),
    harmless("an upgrade to h2c and a request behind it", "9113 3.1", get(*_H2C), None, SMUGGLED),
    either(
        "an upgrade to an unknown protocol",
        "9110 7.8",
        get(b"Upgrade: foo/2", b"Connection: upgrade"),
        sees=Seen(b"GET /a", lacks=(b"upgrade",)),
        policy=True,
    ),
    either(
        "an upgrade that Connection does not name",
        "9110 7.8",
        get(b"Upgrade: h2c"),
        sees=Seen(b"GET /a", lacks=(b"upgrade",)),
        policy=True,
    ),
    harmless(
        "a WebSocket that the origin does not take, and a request behind it",
        "6455 4.1",
        get(*_WEBSOCKET),
        None,
        SMUGGLED,
    ),
    harmless(
        "a WebSocket that the origin does not take, and a frame behind it",
        "6455 4.1",
        get(*_WEBSOCKET),
        None,
        b"\x81\x85\0\0\0\0hello",
    ),
    harmless(
        "a WebSocket and a request in the same packet", "6455 4.1", get(*_WEBSOCKET) + SMUGGLED
    ),
    harmless(
        "a WebSocket of version 7",
        "6455 4.4",
        get(*_WEBSOCKET[:2], b"Sec-WebSocket-Version: 7", _WEBSOCKET[3]),
        SMUGGLED,
    ),
    harmless("a WebSocket without a key", "6455 4.1", get(*_WEBSOCKET[:3]), SMUGGLED),
    harmless("a WebSocket by POST", "6455 4.1", post(*_WEBSOCKET), SMUGGLED),
    harmless(
        "a WebSocket with a body",
        "6455 4.1",
        post(*_WEBSOCKET, b"Content-Length: 5", body=b"hello"),
        SMUGGLED,
    ),
    harmless(
        "a WebSocket with a chunked body",
        "6455 4.1",
        post(*_WEBSOCKET, b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        SMUGGLED,
    ),
    harmless(
        "a WebSocket in HTTP/1.0",
        "6455 4.1",
        head(b"GET /a HTTP/1.0", HOST, *_WEBSOCKET),
        SMUGGLED,
    ),
]

_TWO = (_GET, Seen(b"GET /b"))

FOLLOWING = [
    passed("two requests in one packet", "9112 9.3", get() + get(target=b"/b"), sees=_TWO),
    passed(
        "a request and a malformed one",
        "9112 9.3",
        get() + get(b"X : y"),
        sees=_GET,
        then_refused=True,
    ),
    passed(
        "a request and its length twice",
        "9112 9.3",
        get() + post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"),
        sees=_GET,
        then_refused=True,
    ),
    passed(
        "a body and surplus bytes",
        "9112 6.3",
        post(b"Content-Length: 5", body=b"helloGARBAGE\r\n\r\n"),
        sees=Seen(b"POST /a", b"hello"),
        then_refused=True,
    ),
    passed(
        "a body and an empty line",
        "9112 2.2",
        post(b"Content-Length: 5", body=b"hello\r\n"),
        sees=Seen(b"POST /a", b"hello"),
    ),
    passed(
        "bytes behind Connection: close",
        "9112 9.6",
        get(b"Connection: close") + get(target=b"/b"),
        sees=_GET,
    ),
    passed(
        "bytes behind HTTP/1.0",
        "9112 9.3",
        head(b"GET /a HTTP/1.0", HOST) + get(target=b"/b"),
        sees=_GET,
    ),
    harmless(
        "an early response, and the rest of the body looks like a request",
        "9112 9.3",
        head(b"POST /early HTTP/1.1", HOST, b"Content-Length: 300") + b"start",
        None,
        SMUGGLED,
        SMUGGLED,
    ),
    harmless(
        "an early response, and the rest of the chunks look like a request",
        "9112 9.3",
        head(b"POST /early HTTP/1.1", HOST, b"Transfer-Encoding: chunked") + b"100\r\nstart",
        None,
        SMUGGLED,
        SMUGGLED,
    ),
    harmless(
        "a refusal, and the body looks like a request",
        "9112 9.3",
        head(b"POST /public/%2e%2e/internal HTTP/1.1", HOST, b"Content-Length: 300"),
        None,
        SMUGGLED,
        SMUGGLED,
    ),
    either(
        "an expectation that nobody knows",
        "9110 10.1.1",
        get(b"Expect: the-spanish-inquisition"),
        sees=_GET,
        status=(417,),
    ),
    passed(
        "an expectation without a body",
        "9110 10.1.1",
        get(b"Expect: 100-continue"),
        sees=_GET,
    ),
    passed(
        "an expectation in HTTP/1.0",
        "9110 10.1.1",
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello", version=b"HTTP/1.0"),
        sees=Seen(b"POST /a", b"hello"),
    ),
]

BEHIND = [*UPGRADES, *FOLLOWING]
