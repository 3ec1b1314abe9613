"""Request ids and W3C trace context: forwarded from trusted peers, otherwise generated."""

import re
from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.origin import Origin, ok, origin, responding
from tests.support.wire import Message, Pairs

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRUSTED = "defaults: {forwarded: {trusted_proxies: [127.0.0.0/8]}}\n"
ID = b"x-request-id"
TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00-%b-00f067aa0ba902b7-01" % TRACE
TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


async def _ask(
    tier: Tier, folder: Path, sent: Pairs, rest: str = "", times: int = 1, response: bytes = b""
) -> tuple[list[Message], list[Message], list[str]]:
    """What the backend saw, what the client got, and the request ids of the access log."""
    seen: list[Message] = []
    got: list[Message] = []
    lines = b"".join(b"%b: %b\r\n" % pair for pair in sent)
    made: Origin
    async with origin(responding(response or ok(), seen)) as made:
        async with facade(tier, table(made.url, rest=rest), folder) as up, client(up) as wire:
            for _ in range(times):
                wire.send(b"GET /a HTTP/1.1\r\nhost: h\r\n%b\r\n" % lines)
                got.append(await wire.response())
            logged = [str(line.get("request_id")) for line in await up.log_lines(times)]
    return seen, got, logged


async def test_a_request_id_is_made_told_and_logged(tier: Tier, tmp_path: Path) -> None:
    seen, got, logged = await _ask(tier, tmp_path, [])
    made = seen[0].head.one(ID)
    assert re.fullmatch(rb"[0-9A-Za-z-]{16,64}", made)
    assert got[0].head.one(ID) == made
    assert logged == [made.decode()]


async def test_each_request_gets_an_id_of_its_own(tier: Tier, tmp_path: Path) -> None:
    seen, got, logged = await _ask(tier, tmp_path, [], times=20)
    ids = [message.head.one(ID) for message in seen]
    assert len(set(ids)) == 20
    assert [message.head.one(ID) for message in got] == ids
    assert logged == [each.decode() for each in ids]


async def test_a_trusted_peers_request_id_is_passed_on(tier: Tier, tmp_path: Path) -> None:
    seen, got, logged = await _ask(tier, tmp_path, [(ID, b"from-the-balancer-1")], TRUSTED)
    assert seen[0].head.one(ID) == got[0].head.one(ID) == b"from-the-balancer-1"
    assert logged == ["from-the-balancer-1"]


async def test_a_strangers_request_id_is_replaced(tier: Tier, tmp_path: Path) -> None:
    seen, got, logged = await _ask(tier, tmp_path, [(ID, b"forged-by-a-client")])
    made = seen[0].head.one(ID)
    assert made != b"forged-by-a-client"
    assert got[0].head.one(ID) == made
    assert logged == [made.decode()]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([(ID, b"")], id="empty"),
        pytest.param([(ID, b"x" * 1000)], id="a thousand characters"),
        pytest.param([(ID, b'a b\xe9"')], id="not plain"),
        pytest.param([(ID, b"first-of-two"), (ID, b"second-of-two")], id="two"),
    ],
)
async def test_an_odd_request_id_of_a_trusted_peer_is_replaced(
    sent: Pairs, tier: Tier, tmp_path: Path
) -> None:
    seen, got, _ = await _ask(tier, tmp_path, sent, TRUSTED)
    assert re.fullmatch(rb"[0-9A-Za-z-]{12,64}", seen[0].head.one(ID))
    assert got[0].head.one(ID) == seen[0].head.one(ID)


async def test_a_backends_own_request_id_does_not_come_beside_ours(
    tier: Tier, tmp_path: Path
) -> None:
    seen, got, _ = await _ask(tier, tmp_path, [], response=ok(b"", b"x-request-id: theirs"))
    assert got[0].head.one(ID) == seen[0].head.one(ID)


async def test_a_local_reply_has_the_request_id(tier: Tier, tmp_path: Path) -> None:
    async with facade(tier, table("http://127.0.0.1:1"), tmp_path) as up, client(up) as wire:
        wire.send(b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n")
        got = await wire.response()
        (line,) = await up.log_lines(1)
    assert got.head.status == 502
    assert got.head.one(ID) == str(line["request_id"]).encode()


async def test_a_trace_is_begun_where_there_is_none(tier: Tier, tmp_path: Path) -> None:
    """W3C Trace Context 3.2."""
    seen, _, _ = await _ask(tier, tmp_path, [], times=2)
    begun = [message.head.one(b"traceparent") for message in seen]
    assert all(TRACEPARENT.fullmatch(each) for each in begun)
    assert begun[0][3:35] != begun[1][3:35]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(PARENT, id="version 00"),
        pytest.param(PARENT[:-2] + b"00", id="not sampled"),
        pytest.param(b"01" + PARENT[2:] + b"-future", id="a later version, with more behind it"),
    ],
)
async def test_a_trace_goes_on(sent: bytes, tier: Tier, tmp_path: Path) -> None:
    """W3C Trace Context 3.2: the trace's id and the sampled flag stay, and tracestate with them."""
    seen, _, _ = await _ask(tier, tmp_path, [(b"traceparent", sent), (b"tracestate", b"a=1,b=2")])
    passed_on = seen[0].head.one(b"traceparent")
    assert passed_on == sent or TRACEPARENT.fullmatch(passed_on)
    assert passed_on[3:35] == TRACE
    assert passed_on[53:55] == sent[53:55]
    assert seen[0].head.all(b"tracestate") == [b"a=1,b=2"]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01"], id="a trace id of zeros"),
        pytest.param([b"00-" + TRACE + b"-0000000000000000-01"], id="a parent id of zeros"),
        pytest.param([PARENT.upper()], id="capitals"),
        pytest.param([b"ff" + PARENT[2:]], id="the forbidden version"),
        pytest.param([PARENT + b"-more"], id="version 00 with more behind it"),
        pytest.param([PARENT[:-1]], id="short"),
        pytest.param([b"x"], id="nonsense"),
        pytest.param([b""], id="empty"),
        pytest.param([PARENT, PARENT.replace(b"4bf9", b"5bf9")], id="two"),
    ],
)
async def test_a_broken_trace_is_begun_anew_without_its_state(
    sent: list[bytes], tier: Tier, tmp_path: Path
) -> None:
    """W3C Trace Context 3.2, 3.3: tracestate goes with a traceparent that cannot be read."""
    fields: Pairs = [(b"traceparent", each) for each in sent]
    seen, _, _ = await _ask(tier, tmp_path, [*fields, (b"tracestate", b"a=1")])
    begun = seen[0].head.one(b"traceparent")
    assert TRACEPARENT.fullmatch(begun)
    assert begun not in sent
    assert seen[0].head.all(b"tracestate") == []
