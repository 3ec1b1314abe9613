"""Copied requests on the fast tier: the quick way and the general way send, copy and log the same (ADR 21, ADR 34)."""

import asyncio
import gc
from collections.abc import AsyncIterator

import httpx
import pytest
from msgspec import Struct
from msgspec.structs import replace

from proxy.mirroring.copy_maker import CopyMaker
from proxy.mirroring.mirrors import Mirrors
from proxy.mirroring.sender import CopySender
from proxy.mirroring.served import Batch, Served
from proxy.telemetry.mirror_counters import MirrorCounters
from proxy.telemetry.shared_memory import SharedStats
from proxy.upstream import open_upstream
from tests.support.facade_in_process import OK, InProcess, Seen

TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1", new: {url: "http://127.0.0.1:2", cookies: {allow: [b]}}}
cohorts: {people: {salt: s, hash_policy: [{cookie: uid}]}}
routes:
- name: shadow
  match: {path: {prefix: /shadow}}
  stage: shadow
  mirror: {percent: 50}
  backend_refs: [legacy, {name: new, url_rewrite: {path: {replace_prefix_match: /v2}}}]
- name: canary
  match: {path: {prefix: /canary}}
  stage: canary
  cohort: people
  mirror: {}
  backend_refs: {legacy: 50, new: 50}
- {name: live, match: {path: {prefix: /live}}, stage: live, mirror: {}, backend_refs: [legacy, new]}
- {name: rest, backend_refs: legacy}
"""
KILLED = TABLE.replace("version: 1", "version: 1\nkill_switch: true")
_OWN = ("proxy.forwarding", "proxy.mirroring")
_TIMES = {"time": "", "total_ms": 0, "first_byte_ms": 0}


class Side(Struct):
    """A facade, and the copies that it sent."""

    facade: InProcess
    sender: CopySender
    mirrors: Mirrors
    copies: list[httpx.Request]

    received: list[Served]

    async def send(self, raw: bytes, draw_bp: int = 0, response: bytes = OK) -> Seen:
        self.facade.draw_bp = draw_bp
        seen = await self.facade.send(raw, response=response)
        while self.sender.waiting or self.mirrors.busy:
            await asyncio.sleep(0)
        for line in seen.lines:
            line.update(_TIMES)
        return seen

    @property
    def copied(self) -> list[tuple[str, list[tuple[bytes, bytes]]]]:
        """What the backends of copies got."""
        return [(str(each.url), each.headers.raw) for each in self.copies]


class Recording:
    """Records what is handed over, and passes it on."""

    def __init__(self, mirrors: Mirrors) -> None:
        self.mirrors = mirrors
        self.received: list[Served] = []

    @property
    def is_full(self) -> bool:
        return self.mirrors.is_full

    def receive(self, batch: Batch) -> None:
        self.received += batch.requests
        self.mirrors.receive(batch)


def side(table: str, *, quick: bool) -> Side:
    copies: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        copies.append(request)
        return httpx.Response(200, content=b"copy")

    stats = SharedStats()
    maker = CopyMaker.create(
        lambda backend, _: open_upstream(backend, httpx.MockTransport(respond)), stats.mirror
    )
    recording = Recording(maker.mirrors)
    sender = CopySender(recording, MirrorCounters(stats.workers[0]), gather_s=0.0)
    facade = InProcess(table, quick=quick, copies=sender)
    maker.mirrors.adopt(facade.forwarder.table.current)
    return Side(facade, sender, maker.mirrors, copies, recording.received)


@pytest.fixture
async def sides(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Side, Side]]:
    table: str = getattr(request, "param", TABLE)
    both = side(table, quick=True), side(table, quick=False)
    yield both
    for each in both:
        await each.mirrors.aclose()
        each.facade.close()


FIELDS = b"\r\nHost: a\r\nCookie: uid=7; b=1\r\nAuthorization: s\r\nAccept: */*"
LINES = (
    b"GET /%b/x?q=1 HTTP/1.1%b\r\n\r\n",
    b"HEAD /%b HTTP/1.0%b\r\n\r\n",
    b"POST /%b HTTP/1.1%b\r\nContent-Length: 2\r\n\r\nab",
    b"GET /%b HTTP/1.1%b\r\nContent-Length: 2\r\n\r\nab",
    b"GET /%b HTTP/1.1%b\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("sides", [TABLE, KILLED], indirect=True)
async def test_both_ways_copy_the_same(sides: tuple[Side, Side], line: bytes) -> None:
    quick, general = sides
    logged: list[bool] = []
    for path in (b"shadow", b"canary", b"live", b"rest"):
        for draw_bp in (0, 1, 9_999):
            raw = line % (path, FIELDS)
            one, other = await quick.send(raw, draw_bp), await general.send(raw, draw_bp)
            assert one == other
            logged += ["mirrored_to" in each for each in one.lines]
    assert quick.copied == general.copied
    assert logged.count(True) == len(quick.copies)


MATCHES = """
version: 1
defaults: {forwarded: {trusted_proxies: %s}}
backends: {legacy: "http://127.0.0.1:1", new: "http://127.0.0.1:2"}
routes:
- name: shadow
  match: [{path: {exact: /first}}, {path: {prefix: /second}}]
  stage: shadow
  mirror: {max_body_bytes: 4B, compare: {}}
  backend_refs: [legacy, new]
- {name: rest, backend_refs: legacy}
"""
_PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("sides", [MATCHES % "[]", MATCHES % "[192.0.2.0/24]"], indirect=True)
@pytest.mark.parametrize("target", [b"/first", b"/second?", b"/second/x?a=1"])
@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"\r\nX-Forwarded-For: 192.0.2.7",
        b"\r\ntraceparent: " + _PARENT + b"\r\ntracestate: a=1",
        b"\r\nX-Request-ID: 123",
    ],
)
@pytest.mark.parametrize("response", [OK, OK.replace(b"2\r\n\r\nok", b"5\r\n\r\nlong!")])
async def test_both_ways_hand_over_the_same(
    sides: tuple[Side, Side], target: bytes, lines: bytes, response: bytes
) -> None:
    quick, general = sides
    raw = b"GET %b HTTP/1.1\r\nHost: a%b\r\nContent-Length: %d\r\n\r\n%b"
    for body in (b"ab", b"too long"):
        for each in sides:
            await each.send(raw % (target, lines, len(body), body), response=response)
    of_quick, of_general = (
        [
            replace(each, ended=0.0, response=replace(each.response, duration_s=0.0))
            for each in side.received
        ]
        for side in (quick, general)
    )
    assert of_quick == of_general
    assert [each.body for each in of_quick] == [b"ab"]


async def test_a_copied_request_goes_the_quick_way(sides: tuple[Side, Side]) -> None:
    quick, _ = sides
    raw = LINES[0] % (b"shadow", FIELDS)
    await quick.send(raw)
    seen = await quick.send(raw)
    assert seen.lines[0]["mirrored_to"] == "new"
    assert seen.client.endswith(b"ok")
    assert [url for url, _ in quick.copied] == ["http://127.0.0.1:2/v2/x?q=1"] * 2
    assert len(quick.facade.known) > 0


async def test_copies_leave_nothing_for_the_collector(sides: tuple[Side, Side]) -> None:
    """A cycle would wake it between requests (ADR 8)."""
    raws = [line % (b"shadow", FIELDS) for line in LINES[:4]]
    for each in sides:
        for raw in raws:
            await each.send(raw)
    gc.collect()
    gc.disable()
    try:
        for each in sides:
            for raw in raws:
                for draw_bp in (0, 1):
                    await each.send(raw, draw_bp)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [obj for obj in gc.garbage if type(obj).__module__.startswith(_OWN)]
        gc.garbage.clear()
    finally:
        gc.set_debug(0)
        gc.enable()
    assert left == []
