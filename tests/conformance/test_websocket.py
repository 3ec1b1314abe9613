"""WebSockets: the handshake is parsed, the rest is forwarded as bytes (RFC 6455, RFC 9110 7.8)."""

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
from tests.conformance.frames import BINARY, KEY, PING, PONG, TEXT, accepted, closing, frame
from tests.conformance.harness import Tier, client, facade, table
from tests.conformance.websocket import ASKING, SWITCHING, opened
from tests.support.origin import ok, origin, responding
from tests.support.wire import Cut, Message

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINE = b"GET /chat?room=1 HTTP/1.1"
GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SOCKET = [
    (b"origin", b"http://facade.example"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-protocol", b"chat.v2, chat.v1"),
    (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits"),
    (b"sec-websocket-version", b"13"),
]
KINDS = [
    pytest.param(TEXT, "안녕".encode(), id="text"),
    pytest.param(BINARY, bytes(range(256)), id="binary"),
    pytest.param(TEXT, b"", id="empty text"),
    pytest.param(BINARY, b"x" * 125, id="the longest short one"),
    pytest.param(BINARY, b"x" * 126, id="a 16-bit length"),
    pytest.param(BINARY, b"x" * 65536, id="a 64-bit length"),
    pytest.param(PING, b"are you there", id="ping"),
    pytest.param(PONG, b"unasked", id="pong"),
    pytest.param(3, b"reserved", id="a reserved opcode is the ends' business"),
]
CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999]


async def test_the_handshake_is_passed_on_with_subprotocols_and_extensions(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 6455 4."""
    async with opened(tier, tmp_path) as ws:
        assert ws.request.line == LINE
        assert ws.request.one(b"connection").lower() == b"upgrade"
        assert [pair for pair in ws.request.fields if pair in SOCKET] == SOCKET
        assert ws.request.one(b"x-forwarded-for") == b"127.0.0.1"
        assert ws.response.one(b"upgrade") == b"websocket"
        assert ws.response.one(b"connection").lower() == b"upgrade"
        assert ws.response.one(b"sec-websocket-accept") == accepted(KEY)
        assert ws.response.one(b"sec-websocket-protocol") == b"chat.v2"
        assert ws.response.one(b"sec-websocket-extensions") == b"permessage-deflate"
        assert not ws.response.all(b"transfer-encoding")


@pytest.mark.parametrize(("kind", "payload"), KINDS)
async def test_frames_pass_byte_by_byte_both_ways(
    kind: int, payload: bytes, tier: Tier, tmp_path: Path
) -> None:
    """RFC 6455 5."""
    up, down = frame(kind, payload, masked=True), frame(kind, payload)
    async with opened(tier, tmp_path) as ws:
        for _ in range(3):
            ws.client.send(up)
            assert await ws.upstream.exactly(len(up)) == up
            ws.upstream.send(down)
            assert await ws.client.exactly(len(down)) == down


async def test_a_message_in_fragments_with_a_ping_between_stays_in_fragments(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 6455 5.4."""
    parts = [frame(TEXT, b"one", last=False), frame(PING), frame(0, b"two")]
    async with opened(tier, tmp_path) as ws:
        for part in parts:
            ws.upstream.send(part)
            assert await ws.client.exactly(len(part)) == part


@pytest.mark.parametrize("code", CODES)
async def test_close_codes_pass_both_ways(code: int, tier: Tier, tmp_path: Path) -> None:
    """RFC 6455 7.4: then the server closes the connection, and the client's ends cleanly."""
    up, down = closing(code, b"bye", masked=True), closing(code)
    async with opened(tier, tmp_path) as ws:
        ws.client.send(up)
        assert await ws.upstream.exactly(len(up)) == up
        ws.upstream.send(down)
        ws.upstream.close()
        assert await ws.client.end() == (down, False)


async def test_frames_in_one_packet_with_the_101_arrive(tier: Tier, tmp_path: Path) -> None:
    """RFC 6455 4.1: the server may speak at once."""
    first = frame(TEXT, b"welcome")
    async with opened(tier, tmp_path, behind=first) as ws:
        assert await ws.client.exactly(len(first)) == first


async def test_frames_that_do_not_wait_for_the_101_arrive_after_the_handshake(
    tier: Tier, tmp_path: Path
) -> None:
    hasty = frame(TEXT, b"hasty", masked=True)
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(ASKING + hasty)
            upstream = await made.connection()
            await upstream.request_head()
            upstream.send(SWITCHING)
            assert (await wire.response_head()).status == 101
            assert await upstream.exactly(len(hasty)) == hasty


REFUSALS = [
    pytest.param(b"403 Forbidden", b"no entry", id="403 with a body"),
    pytest.param(b"200 OK", b"just a page", id="200 with a body"),
    pytest.param(b"426 Upgrade Required", b"", id="426"),
    pytest.param(b"302 Found", b"", id="302"),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_a_refusal_is_a_response_and_opens_no_tunnel(
    status: bytes, body: bytes, tier: Tier, tmp_path: Path
) -> None:
    """RFC 6455 4.2.2, RFC 9110 7.8: what the client sends then is no frame to anybody."""
    seen: list[Message] = []
    no = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)
    async with origin(responding(no, seen)) as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(ASKING)
            got = await wire.response()
            assert (got.head.status, got.body) == (int(status[:3]), body)
            assert not got.head.all(b"upgrade")
            wire.send(frame(TEXT, b"smuggled", masked=True))
            wire.half_close()
            left, _ = await wire.end()
            assert b"HTTP/1.1 2" not in left
        assert [message.head.line for message in seen] == [LINE]
        assert all(b"smuggled"[:4] not in each.received for each in made.connections)


SWITCHED = SWITCHING.replace(b"upgrade: websocket", b"upgrade: other")
CASES = [
    Case(
        "a switch to a protocol that was not requested is refused",
        "RFC 9110 7.8",
        (ClientSends(ASKING), OriginSees(LINE), OriginSends(SWITCHED), ClientGetsHead(502)),
    ),
    Case(
        "an upgrade of HTTP/1.0 is ignored",
        "RFC 9110 7.8",
        (
            ClientSends(ASKING.replace(b"HTTP/1.1", b"HTTP/1.0")),
            OriginSees(LINE, fields=SOCKET),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
    Case(
        "an upgrade without Connection: upgrade is ignored",
        "RFC 9110 7.8",
        (
            ClientSends(ASKING.replace(b"connection: Upgrade\r\n", b"")),
            OriginSees(LINE, fields=SOCKET),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
    Case(
        "an upgrade to an unsupported protocol is dropped",
        "RFC 9110 7.8",
        (
            ClientSends(
                GET[:-2] + b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\n"
                b"http2-settings: x\r\n\r\n"
            ),
            OriginSees(b"GET /a HTTP/1.1", fields=[]),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
    Case(
        "a refused handshake leaves the client's connection usable",
        "RFC 9112 9.3",
        (
            ClientSends(ASKING),
            OriginSees(LINE),
            OriginSends(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"),
            ClientGets(403, b"no", closes=False),
            ClientSends(GET),
            OriginSees(b"GET /a HTTP/1.1"),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
]


@pytest.mark.parametrize(
    "lines",
    [
        b"upgrade: h2c, WebSocket\r\n",
        b"upgrade: h2c\r\nupgrade: websocket\r\n",
        b"upgrade: websocket,\r\nupgrade: foo/2\r\n",
    ],
)
async def test_of_several_protocols_the_one_that_is_supported_goes_on(
    lines: bytes, tier: Tier, tmp_path: Path
) -> None:
    """RFC 9110 7.8."""
    raw = ASKING.replace(b"upgrade: websocket\r\n", lines)
    assert raw != ASKING
    async with opened(tier, tmp_path, asking=raw) as ws:
        assert ws.response.all(b"upgrade") == [b"websocket"]
        ws.client.send(b"to")
        assert await ws.upstream.exactly(2) == b"to"
        ws.upstream.send(b"fro")
        assert await ws.client.exactly(3) == b"fro"


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
async def test_an_upgrade_is_what_it_is(case: Case, tier: Tier, tmp_path: Path) -> None:
    await converse(case, tier, tmp_path)


async def test_a_websocket_without_a_backend_is_a_502(tier: Tier, tmp_path: Path) -> None:
    async with facade(tier, table("http://127.0.0.1:1"), tmp_path) as up, client(up) as wire:
        wire.send(ASKING)
        assert (await wire.response()).head.status == 502


async def test_a_websocket_obeys_its_route(tier: Tier, tmp_path: Path) -> None:
    """Promise K2, rule 4: allow-lists and rewrites hold for handshakes, too."""
    async with origin() as made:
        routes = table(made.url, backend="cookies: {allow: [ok]}").replace(
            "backend_refs: legacy",
            "match: {path: {prefix: /chat}}, backend_refs: [{name: legacy, url_rewrite: "
            "{path: {replace_prefix_match: /ws}}}]",
        )
        async with facade(tier, routes, tmp_path) as up, client(up) as wire:
            wire.send(ASKING[:-2] + b"cookie: ok=1; secret=2\r\n\r\n")
            head = await (await made.connection()).request_head()
    assert head.target == b"/ws?room=1"
    assert head.all(b"cookie") == [b"ok=1"]


async def test_the_log_tells_of_a_websocket_at_its_end(tier: Tier, tmp_path: Path) -> None:
    async with opened(tier, tmp_path) as ws:
        ws.client.send(frame(TEXT, b"x", masked=True))
        await ws.upstream.exactly(7)
        ws.upstream.close()
        await ws.client.end()
        (line,) = await ws.up.log_lines(1)
    assert (line["status"], line["method"], line["target"]) == (101, "GET", "/chat")


async def test_a_client_that_is_gone_takes_its_websocket_with_it(
    tier: Tier, tmp_path: Path
) -> None:
    async with opened(tier, tmp_path) as ws:
        ws.client.reset()
        with pytest.raises(Cut):
            await ws.upstream.more()


async def test_a_backend_that_is_gone_is_seen_by_the_client(tier: Tier, tmp_path: Path) -> None:
    async with opened(tier, tmp_path) as ws:
        ws.upstream.reset()
        with pytest.raises(Cut):
            await ws.client.more()


async def test_a_connection_that_was_switched_carries_no_other_request(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9110 7.8: it belongs to this client alone, and to no pool."""
    async with opened(tier, tmp_path) as ws, client(ws.up) as other:
        other.send(GET)
        upstream = await ws.server.connection(2)
        await upstream.request()
        upstream.send(ok(b"other"))
        assert (await other.response()).body == b"other"
        probe = frame(TEXT, b"mine")
        ws.upstream.send(probe)
        assert await ws.client.exactly(len(probe)) == probe
