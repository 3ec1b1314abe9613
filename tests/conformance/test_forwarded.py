"""Forwarding fields, Via and Max-Forwards (RFC 9110 7.6, RFC 7239, rule 14)."""

from pathlib import Path

import pytest

from proxy.server.settings import Address
from tests.conformance.conversation import (
    Case,
    ClientGets,
    ClientSends,
    OriginSees,
    OriginSends,
    converse,
    names,
)
from tests.conformance.harness import Tier, facade, table
from tests.support.origin import ok, origin, responding
from tests.support.wire import Message, Pairs, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
TRUSTED = "defaults: {forwarded: {trusted_proxies: [127.0.0.0/8]}}\n"
ELSEWHERE = "defaults: {forwarded: {trusted_proxies: [192.0.2.0/24]}}\n"
FORWARDED = b'for=127.0.0.1;proto=http;host="facade.example"'


def _told(
    name: str,
    sent: Pairs,
    seen: Pairs,
    *,
    rest: str = "",
    rfc: str = "RFC 7239 4",
    version: bytes = b"1.1",
) -> Case:
    lines = b"".join(b"%b: %b\r\n" % pair for pair in sent)
    raw = b"GET /a HTTP/%b\r\nhost: facade.example\r\n%b\r\n" % (version, lines)
    steps = (
        ClientSends(raw),
        OriginSees(b"GET /a HTTP/1.1", fields=seen),
        OriginSends(OK),
        ClientGets(200, b"ok"),
    )
    return Case(name, rfc, steps, rest=rest)


FOR, PROTO, HOST, ELEMENT = (
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"forwarded",
)
FORGED: Pairs = [
    (b"forwarded", b"for=1.2.3.4"),
    (b"x-forwarded-for", b"1.2.3.4"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-port", b"1"),
    (b"x-forwarded-prefix", b"/evil"),
    (b"x-real-ip", b"1.2.3.4"),
    (b"x-original-url", b"/evil"),
    (b"x-rewrite-url", b"/evil"),
    (b"proxy", b"evil"),
    (b"proxy-authorization", b"Basic x"),
    (b"x_forwarded_for", b"1.2.3.4"),
    (b"connection", b"x-forwarded-for, forwarded"),
]

TELLING = [
    _told("the backend gets the client's address", [], [(FOR, b"127.0.0.1")]),
    _told("the backend gets the client's scheme", [], [(PROTO, b"http")]),
    _told("the backend gets the requested host", [], [(HOST, b"facade.example")]),
    _told("the backend gets all of them in Forwarded (RFC 7239)", [], [(ELEMENT, FORWARDED)]),
    _told("a stranger's forwarding fields are dropped", FORGED, []),
    _told("a stranger's X-Forwarded-For is replaced", FORGED, [(FOR, b"127.0.0.1")]),
    _told("a stranger's X-Forwarded-Proto is replaced", FORGED, [(PROTO, b"http")]),
    _told("a stranger's X-Forwarded-Host is replaced", FORGED, [(HOST, b"facade.example")]),
    _told("a stranger's Forwarded is replaced", FORGED, [(ELEMENT, FORWARDED)]),
    _told(
        "a peer outside trusted_proxies is not trusted",
        FORGED,
        [(FOR, b"127.0.0.1")],
        rest=ELSEWHERE,
    ),
    _told(
        "a trusted proxy's X-Forwarded-For is appended to",
        [(FOR, b"192.0.2.7"), (FOR, b"198.51.100.1")],
        [(FOR, b"192.0.2.7, 198.51.100.1, 127.0.0.1")],
        rest=TRUSTED,
    ),
    _told(
        "a trusted proxy's Forwarded is appended to",
        [(ELEMENT, b"for=192.0.2.7")],
        [(ELEMENT, b"for=192.0.2.7, " + FORWARDED)],
        rest=TRUSTED,
    ),
    _told(
        "a trusted proxy's X-Forwarded-* become Forwarded",
        [(FOR, b"203.0.113.7"), (PROTO, b"https")],
        [(ELEMENT, b'for=203.0.113.7;proto=https;host="facade.example", for=127.0.0.1')],
        rest=TRUSTED,
    ),
    _told(
        "a trusted proxy's Forwarded becomes X-Forwarded-*",
        [(ELEMENT, b"for=203.0.113.7;proto=https;host=shop.example")],
        [(FOR, b"203.0.113.7, 127.0.0.1"), (PROTO, b"https"), (HOST, b"shop.example")],
        rest=TRUSTED,
    ),
    _told(
        "a Forwarded that contradicts a trusted proxy's X-Forwarded-Proto is replaced",
        [(PROTO, b"https"), (ELEMENT, b"for=6.6.6.6;proto=http")],
        [(ELEMENT, b'for=127.0.0.1;proto=https;host="facade.example"')],
        rest=TRUSTED,
    ),
    _told(
        "a trusted proxy's X-Forwarded-Proto is kept",
        [(PROTO, b"https")],
        [(PROTO, b"https")],
        rest=TRUSTED,
    ),
    _told(
        "a trusted proxy's X-Forwarded-Host is kept",
        [(HOST, b"www.example")],
        [(HOST, b"www.example")],
        rest=TRUSTED,
    ),
    _told(
        "a trusted proxy's Proxy and X-Original-URL are dropped, too",
        [(b"proxy", b"x"), (b"x-original-url", b"/x"), (b"x-real-ip", b"1.2.3.4")],
        [],
        rest=TRUSTED,
    ),
    _told("Via names the facade", [], [(b"via", b"1.1 facade")], rfc="RFC 9110 7.6.3"),
    _told(
        "Via is appended to",
        [(b"via", b"1.0 fred"), (b"via", b"1.1 p.example")],
        [(b"via", b"1.0 fred, 1.1 p.example, 1.1 facade")],
        rfc="RFC 9110 7.6.3",
    ),
    _told(
        "Via has the protocol of the received message",
        [],
        [(b"via", b"1.0 facade")],
        rfc="RFC 9110 7.6.3",
        version=b"1.0",
    ),
]


def _hops(method: str, sent: bytes, seen: bytes) -> Case:
    raw = f"{method} /a HTTP/1.1\r\nhost: h\r\nmax-forwards: ".encode() + sent + b"\r\n\r\n"
    line = f"{method} /a HTTP/1.1".encode()
    sees = OriginSees(line, fields=[(b"max-forwards", seen)])
    steps = (ClientSends(raw), sees, OriginSends(OK), ClientGets(200, b"ok"))
    name = f"Max-Forwards: {sent.decode()} of {method} is forwarded as {seen.decode()}"
    return Case(name, "RFC 9110 7.6.2", steps)


HOPS = [
    _hops("OPTIONS", b"5", b"4"),
    _hops("OPTIONS", b"1", b"0"),
    _hops("GET", b"5", b"5"),
    Case(
        "OPTIONS with Max-Forwards: 0 gets a response of the facade",
        "RFC 9110 7.6.2",
        (
            ClientSends(b"OPTIONS /a HTTP/1.1\r\nhost: h\r\nmax-forwards: 0\r\n\r\n"),
            ClientGets((200, 204)),
        ),
    ),
]


PRESERVED = Case(
    "the client's Host is forwarded byte by byte",
    "RFC 9110 7.2",
    (
        ClientSends(b"GET /a HTTP/1.1\r\nhost: Facade.example:81\r\n\r\n"),
        OriginSees(b"GET /a HTTP/1.1", host=b"Facade.example:81"),
        OriginSends(OK),
        ClientGets(200, b"ok"),
    ),
)
CASES = [*TELLING, *HOPS, PRESERVED]


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
async def test_who_asked_is_told(case: Case, tier: Tier, tmp_path: Path) -> None:
    await converse(case, tier, tmp_path)


@pytest.mark.parametrize("trusted", ["127.0.0.0/8", "192.0.2.0/24"])
async def test_a_client_with_IPv4_is_plain_IPv4_at_a_listener_for_both(
    trusted: str, tier: Tier, tmp_path: Path
) -> None:
    """RFC 4291 2.5.5.2."""
    rest = f"defaults: {{forwarded: {{trusted_proxies: [{trusted}]}}}}\n"
    received: list[Message] = []
    async with (
        origin(responding(ok(b"ok"), received)) as backend,
        facade(tier, table(backend.url, rest=rest), tmp_path, listen=Address("::", 0)) as up,
    ):
        async with connected("127.0.0.1", up.listen.port) as wire:
            wire.send(b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n")
            assert (await wire.response()).head.status == 200
        seen = received[0].head
        assert seen.one(FOR) == b"127.0.0.1"
        assert seen.one(ELEMENT) == FORWARDED
        assert (await up.log_lines(1))[0]["client"] == "127.0.0.1"
