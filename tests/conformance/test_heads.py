"""Start lines and header fields, in both directions (RFC 9110 5, 9112 3 to 5)."""

import re
from pathlib import Path

import pytest

from tests.conformance.conversation import (
    Case,
    ClientGets,
    ClientGetsHead,
    ClientSends,
    OriginSees,
    OriginSends,
    converse,
    names,
)
from tests.conformance.harness import Tier, client, facade, table
from tests.support.wire import Pairs

pytestmark = pytest.mark.asyncio(loop_scope="module")


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
GETS = ClientGets(200, b"ok")


def _written(fields: Pairs) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in fields)


def _lower(fields: Pairs) -> Pairs:
    return [(name.lower(), value) for name, value in fields]


def _target(sent: str, rfc: str = "RFC 3986 6.2.2", seen: str = "") -> Case:
    steps = (
        ClientSends(f"GET {sent} HTTP/1.1\r\nhost: facade.example\r\n\r\n".encode()),
        OriginSees(f"GET {seen or sent} HTTP/1.1".encode()),
        OriginSends(OK),
        GETS,
    )
    return Case(f"the target {sent} arrives as {seen or 'it was sent'}", rfc, steps)


TARGETS = [
    *map(
        _target,
        (
            "/",
            "/?",
            "/?a=1",
            "/??a=1",
            "/a?",
            "/a?x=1?y=/2",
            "/a?b=%7E~%5B[]",
            "/a?q=%zz&&=;",
            "/%7Ea~",
            "/%7ea",
            "/a[0]",
            "/a;v=1/b",
            "/a%20b",
            "/%ED%95%9C",
            "/a//b",
            "/a/./b",
            "/a/b/../c",
            "/a+b!$&'()*,=:@",
            "/a%2Fb",
            "/" + "x" * 4000,
        ),
    ),
    _target("http://facade.example/a?b", "RFC 9112 3.2.2", "/a?b"),
    _target("http://FACADE.example/a", "RFC 9112 3.2.2", "/a"),
    _target("http://facade.example?b", "RFC 9112 3.2.2", "/?b"),
    _target("http://facade.example", "RFC 9112 3.2.2", "/"),
]


def _method(method: str) -> Case:
    raw = f"{method} /a HTTP/1.1\r\nhost: facade.example\r\n\r\n".encode()
    steps = (
        ClientSends(raw),
        OriginSees(f"{method} /a HTTP/1.1".encode()),
        OriginSends(OK),
        GETS,
    )
    return Case(f"the method {method} is forwarded", "RFC 9110 9.1", steps)


METHODS = [
    *map(
        _method,
        (
            "BREW",
            "X-Own.Method!",
            "DELETE",
            "OPTIONS",
            "PATCH",
            "PURGE",
            "PROPFIND",
            "REPORT",
            "SEARCH",
        ),
    ),
    Case(
        "methods are case-sensitive",
        "RFC 9110 9.1",
        (ClientSends(b"get /a HTTP/1.1\r\nhost: h\r\n\r\n"), OriginSees(b"get /a HTTP/1.1")),
    ),
    Case(
        "`OPTIONS *` gets a response of the facade",
        "RFC 9110 9.3.7",
        (
            ClientSends(b"OPTIONS * HTTP/1.1\r\nhost: facade.example\r\n\r\n"),
            ClientGets((200, 204)),
        ),
    ),
    Case(
        "an asterisk is a target for OPTIONS only",
        "RFC 9112 3.2.4",
        (ClientSends(b"GET * HTTP/1.1\r\nhost: facade.example\r\n\r\n"), ClientGetsHead(400)),
    ),
]

ODD: Pairs = [
    (b"X-First", b"1"),
    (b"x-obs-text", b"caf\xe9 \xed\x95\x9c \xff"),
    (b"X-Empty", b""),
    (b"x-first", b"2"),
    (b"X-Commas", b"a, b,, c ;d"),
    (b"x-quoted", b'"a\\"b", <c>'),
    (b"x-Tab", b"a\tb"),
    (b"x-.!#$%&'*+^`|~9", b"token"),
    (b"X-FIRST", b"3"),
    (b"accept", b"text/html;q=0.9, */*"),
]
COOKIES: Pairs = [
    (b"set-cookie", b"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/"),
    (b"x-between", b"1"),
    (b"Set-Cookie", b"b=2; HttpOnly"),
    (b"set-cookie", b""),
]
MANY: Pairs = [(b"x-%d" % number, b"v" * 400) for number in range(60)]
BIG: Pairs = [(b"x-big", b"v" * 30_000)]
RELAYED: Pairs = [
    (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    (b"server", b"legacy/1"),
    (b"age", b"3"),
]


def _request(
    name: str, fields: Pairs, kept: Pairs | None = None, rfc: str = "RFC 9110 5.3"
) -> Case:
    raw = b"GET /a HTTP/1.1\r\nHost: facade.example\r\n" + _written(fields) + b"\r\n"
    wanted = _lower(fields) if kept is None else kept
    steps = (ClientSends(raw), OriginSees(b"GET /a HTTP/1.1", fields=wanted), OriginSends(OK), GETS)
    return Case(name, rfc, steps)


def _response(
    name: str, fields: Pairs, kept: Pairs | None = None, rfc: str = "RFC 9110 5.3"
) -> Case:
    raw = b"HTTP/1.1 200 OK\r\n" + _written(fields) + b"Content-Length: 2\r\n\r\nok"
    wanted = _lower(fields) if kept is None else kept
    steps = (
        ClientSends(b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"),
        OriginSees(b"GET /a HTTP/1.1"),
        OriginSends(raw),
        ClientGets(200, b"ok", fields=wanted, length=2),
    )
    return Case(name, rfc, steps)


HOP_BY_HOP: Pairs = [
    (b"connection", b"x-hop, keep-alive"),
    (b"x-hop", b"1"),
    (b"keep-alive", b"timeout=9"),
    (b"proxy-connection", b"keep-alive"),
    (b"te", b"trailers"),
    (b"upgrade", b"h2c"),
    (b"connection", b"X-Other"),
    (b"x-other", b"1"),
    (b"x-end", b"1"),
]
ENDS: Pairs = [(b"x-end", b"1")]
FIELDS = [
    _request("a request's fields keep order, repeats and bytes", ODD),
    _request("two Cookie fields stay two", [(b"cookie", b"a=1"), (b"cookie", b"b=2; c")]),
    _request("many fields of a request arrive", MANY),
    _request("a big field of a request arrives", BIG),
    _request("a request's hop-by-hop fields are dropped", HOP_BY_HOP, ENDS, "RFC 9110 7.6.1"),
    _request(
        "credentials cannot be dropped by naming them in Connection",
        [(b"connection", b"authorization"), (b"authorization", b"Basic x")],
        [(b"authorization", b"Basic x")],
        "RFC 9110 7.6.1",
    ),
    _request(
        "white space around a value is not part of it",
        [(b"x-a", b" \t b c \t ")],
        [(b"x-a", b"b c")],
        "RFC 9110 5.5",
    ),
    _request(
        "a request's Range and conditions are left to the origin",
        [(b"range", b"bytes=0-9"), (b"if-none-match", b'"x"'), (b"if-range", b'"y"')],
    ),
    _response("a response's fields keep order, repeats and bytes", ODD),
    _response("several Set-Cookie fields stay several", COOKIES, rfc="RFC 6265 3"),
    _response("many fields of a response arrive", MANY),
    _response("a big field of a response arrives", BIG),
    _response("Date, Server and Age of the origin are kept", RELAYED, rfc="RFC 9110 6.6.1"),
    _response(
        "a response's hop-by-hop fields are dropped",
        HOP_BY_HOP,
        ENDS,
        "RFC 9110 7.6.1",
    ),
]

STATUSES = [
    200,
    201,
    202,
    206,
    226,
    299,
    301,
    308,
    400,
    401,
    404,
    418,
    429,
    451,
    499,
    500,
    503,
    599,
]


def _status(status: int) -> Case:
    steps = (
        ClientSends(b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"),
        OriginSees(b"GET /a HTTP/1.1"),
        OriginSends(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\nno" % status),
        ClientGets(status, b"no"),
    )
    return Case(f"a {status} is forwarded with its body", "RFC 9110 15", steps)


def _reason(status: int, reason: bytes, heard: bytes, name: str) -> Case:
    steps = (
        ClientSends(b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"),
        OriginSees(b"GET /a HTTP/1.1"),
        OriginSends(b"HTTP/1.1 %d %b\r\ncontent-length: 2\r\n\r\nno" % (status, reason)),
        ClientGets(status, b"no", reason=heard),
    )
    return Case(name, "RFC 9112 4", steps)


REASONS = [
    _reason(
        404, b"Nobody Home", b"Not Found", "a reason phrase is the registry's, not the origin's"
    ),
    _reason(404, b"", b"Not Found", "a missing reason phrase is added"),
    _reason(404, b"Pas trouv\xe9", b"Not Found", "a reason phrase in Latin-1 is accepted"),
    _reason(299, b"Own", b"", "a status that no registry has gets no phrase"),
]
CASES = [*TARGETS, *METHODS, *FIELDS, *map(_status, STATUSES), *REASONS]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_a_method_that_no_gateway_passes_on_is_refused_with_what_is_allowed(
    method: str, tier: Tier, tmp_path: Path
) -> None:
    """RFC 9110 9.3.8, RFC 9110 15.5.6."""
    target = "h.example:443" if method == "CONNECT" else "/a"
    async with facade(tier, table("http://127.0.0.1:1"), tmp_path) as up, client(up) as wire:
        wire.send(f"{method} {target} HTTP/1.1\r\nhost: h.example:443\r\n\r\n".encode())
        head = await wire.response_head()
    assert head.status in (405, 501)
    assert head.status == 501 or head.all(b"allow")


@pytest.mark.parametrize("case", CASES, ids=[re.sub("x{99,}", "/xxx", n) for n in names(CASES)])
async def test_a_head_is_passed_on(case: Case, tier: Tier, tmp_path: Path) -> None:
    await converse(case, tier, tmp_path)
