"""Parity over real sockets: what is compared, and what `/parity` shows, across restarts and with no secret in it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.server.settings import Tier
from proxy.telemetry.mirror_counters import RouteCopies
from tests.integration.mirror_site import Site, site
from tests.support.facade_in_loop import TIERS, facade_in_loop, reset_on_close
from tests.support.origin import Script, ok, responding
from tests.support.waiting import eventually
from tests.support.wire import Message, Wire

COMPARE = "mirror: {max_concurrency: 1000, compare: {%s}}"
CANARIES = ("CANARY-cookie", "CANARY-token", "CANARY-query", "CANARY-body")


def compared(equal: int, different: int = 0, **dropped: int) -> RouteCopies:
    count = equal + different
    return RouteCopies(count + sum(dropped.values()), 0, count, equal, 0, dropped)


async def parity(at: Site) -> dict[str, Any]:
    response = await at.facade.get("/parity?route=list", admin=True)
    assert response.startswith(b"HTTP/1.1 200 ")
    report: dict[str, Any] = json.loads(response.partition(b"\r\n\r\n")[2])
    return report


async def reported(at: Site, compared: int) -> dict[str, Any]:
    """The report, once so many copies are in it: counts are published once a second."""
    report = await parity(at)
    async with asyncio.timeout(20):
        while report["compared"] + report["baseline_invalid"] < compared:
            await asyncio.sleep(0.05)
            report = await parity(at)
    return report


async def recorded(at: Site, count: int) -> dict[str, Any]:
    """The recorded cases, once there are so many: workers publish them every two seconds."""
    async with asyncio.timeout(20):
        while True:
            response = await at.facade.get("/parity/cases?route=list", admin=True)
            found: dict[str, Any] = json.loads(response.partition(b"\r\n\r\n")[2])
            if len(found["cases"]) >= count:
                return found
            await asyncio.sleep(0.05)


def js(value: object, *fields: bytes) -> bytes:
    return ok(json.dumps(value).encode(), b"content-type: application/json", *fields)


@pytest.mark.parametrize("tier", TIERS)
async def test_differences_are_reported_by_their_place(tier: Tier, tmp_path: Path) -> None:
    old = responding(lambda request: js([{"id": 1, "cost": 7, "t": request.head.target.decode()}]))
    new = responding(lambda request: js([{"cost": 8, "id": 1, "t": request.head.target.decode()}]))
    more = COMPARE % "headers: [content-type]"
    async with site(tmp_path, tier=tier, more=more, legacy=old, new=new) as at:
        for number in range(5):
            await at.facade.get(f"/{number}")
        await at.counted(compared(0, 5))
        report = await reported(at, 5)
        (difference,) = report["differences"]
        assert (report["equal"], report["share"]) == (0, 0)
        assert (difference["path"], difference["kind"], difference["count"]) == (
            "/*/cost",
            "value",
            5,
        )
        assert difference["example"] == {"left": 7, "right": 8}


@pytest.mark.parametrize("tier", TIERS)
async def test_the_incumbent_is_the_baseline_where_the_newcomer_serves(
    tier: Tier, tmp_path: Path
) -> None:
    more, old, new = COMPARE % "status: exact", responding(js(1)), responding(js(2))
    async with site(tmp_path, tier=tier, stage="live", more=more, legacy=old, new=new) as at:
        assert (await at.facade.get("/")).endswith(b"\r\n\r\n2")
        (difference,) = (await reported(at, 1))["differences"]
        assert difference["example"] == {"left": 1, "right": 2}


@pytest.mark.parametrize("tier", TIERS)
async def test_responses_that_come_in_parts_are_compared_as_one(tier: Tier, tmp_path: Path) -> None:
    whole = json.dumps(list(range(5_000))).encode()

    async def in_parts(wire: Wire) -> None:
        while True:
            await wire.request()
            wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for start in range(0, len(whole), 1_000):
                part = whole[start : start + 1_000]
                wire.send(b"%x\r\n%b\r\n" % (len(part), part))
                await wire.flush()
                await asyncio.sleep(0)
            wire.send(b"0\r\n\r\n")
            await wire.flush()

    more = COMPARE % "status: exact"
    for legacy, new in ((in_parts, responding(ok(whole))), (responding(ok(whole)), in_parts)):
        async with site(tmp_path, tier=tier, more=more, legacy=legacy, new=new) as at:
            for _ in range(3):
                await at.facade.get("/")
            await at.counted(compared(3))


async def test_what_a_newcomer_does_wrong_has_a_name_and_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def cut(wire: Wire) -> None:
        await wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        await wire.flush()
        wire.reset()

    async def resets(wire: Wire) -> None:
        await wire.request()
        wire.reset()

    async def never(wire: Wire) -> None:
        await wire.end()

    lies = ok(b"no gzip", b"content-encoding: gzip")
    more = "mirror: {timeout: 300ms, compare: {status: exact}}"
    for wrong in (cut, resets, never, responding(b"\0garbage"), responding(lies)):
        async with site(tmp_path, more=more, legacy=responding(js([1])), new=wrong) as at:
            for _ in range(2):
                assert (await at.facade.get("/")).endswith(b"[1]")
            await at.counted(compared(0, 2))
            assert len((await reported(at, 2))["differences"]) == 1
    assert [
        each.message for each in caplog.records if each.exc_info or each.levelname == "ERROR"
    ] == []


async def test_an_incumbent_that_fails_is_no_evidence(tmp_path: Path) -> None:
    bad = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"
    async with site(tmp_path, more=COMPARE % "status: exact", legacy=responding(bad)) as at:
        await at.facade.get("/")
        await at.counted(RouteCopies(1, 0, 0, 0, 1, {}))
        report = await reported(at, 1)
        assert (report["compared"], report["baseline_invalid"]) == (0, 1)


@pytest.mark.parametrize("stage", ["shadow", "live"])
async def test_a_baseline_has_to_meet_response_ok(stage: str, tmp_path: Path) -> None:
    """The monolith responds with an empty 200 where it has failed."""
    more = COMPARE % "status: exact" + "\n  response_ok: {json_type: array}"
    good, empty = responding(js([1])), responding(js({}))
    async with site(tmp_path, stage=stage, more=more, legacy=empty, new=good) as at:
        await at.facade.get("/")
        await at.counted(RouteCopies(1, 0, 0, 0, 1, {}))
    async with site(tmp_path, stage=stage, more=more, legacy=good, new=empty) as at:
        await at.facade.get("/")
        await at.counted(compared(0, 1))


async def test_an_incumbent_may_take_longer_than_the_timeout_of_a_copy(tmp_path: Path) -> None:
    let_go = asyncio.Event()

    async def late(wire: Wire) -> None:
        while True:
            await wire.request()
            await let_go.wait()
            wire.send(js([1]))
            await wire.flush()

    more = "mirror: {timeout: 100ms, compare: {status: exact}}"
    async with site(tmp_path, more=more, legacy=late, new=responding(js([1]))) as at:
        asked = asyncio.create_task(at.facade.get("/"))
        await eventually(lambda: at.legacy.accepted == 1)
        await asyncio.sleep(0.2)  # Longer than the time-out of a copy.
        assert at.copies.sent == 0
        let_go.set()
        await asked
        await at.counted(compared(1))


async def test_conditional_responses_and_clients_that_leave_are_not_compared(
    tmp_path: Path,
) -> None:
    unchanged = responding(b"HTTP/1.1 304 Not Modified\r\n\r\n")
    async with site(tmp_path, more=COMPARE % "status: exact", legacy=unchanged) as at:
        await at.facade.get("/", "if-none-match: x")
        await at.counted(RouteCopies(1, 0, 0, 0, 0, {"conditional": 1}))

    asked = asyncio.Event()

    async def hangs(wire: Wire) -> None:
        await wire.request()
        asked.set()
        await wire.end()

    async with site(tmp_path, more=COMPARE % "status: exact", legacy=hangs) as at:
        _, writer = await asyncio.open_connection(at.facade.listen.host, at.facade.listen.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await asyncio.wait_for(asked.wait(), 20)
        reset_on_close(writer)
        writer.close()
        await at.counted(RouteCopies(1, 0, 0, 0, 0, {"client_gone": 1}))


async def test_large_bodies_are_compared_by_their_hash(tmp_path: Path) -> None:
    more = "mirror: {max_body_bytes: 64KiB, compare: {body: {type: bytes}}}"
    body = bytes(range(256)) * 2_000
    for new, expected in (
        (body, compared(1)),
        (body[:-1] + b"x", compared(0, 1)),
        (body + b"x", compared(0, 1)),
    ):
        async with site(
            tmp_path, more=more, legacy=responding(ok(body)), new=responding(ok(new))
        ) as at:
            assert (await at.facade.get("/")).endswith(body)
            await at.counted(expected)


async def test_the_baseline_is_asked_twice_at_a_rate(tmp_path: Path) -> None:
    counter = iter(range(1_000))
    received: list[Message] = []

    def clock(request: Message) -> bytes:
        received.append(request)
        return js({"now": next(counter), "id": 7})

    more = COMPARE % "noise: {method: baseline_replay, rate: 1}"
    async with site(tmp_path, more=more, legacy=responding(clock), new=responding(clock)) as at:
        for _ in range(20):
            await at.facade.get("/")
        await at.counted(RouteCopies(20, 20, 20, 0, 0, {}))
        marks = [each.head.all(b"x-facade-mirror") for each in received]
        assert (marks.count([]), marks.count([b"1"])) == (20, 40)
        report = await reported(at, 20)
        (difference,) = report["differences"]
        assert (difference["path"], difference["noise"], report["equal"]) == ("/now", True, 20)


async def test_users_are_counted_and_not_known(tmp_path: Path) -> None:
    old, new = responding(js(1)), responding(js(2))
    more = "cohort: people\n  " + COMPARE % "status: exact"
    top = "cohorts: {people: {salt: s, hash_policy: [{cookie: uid}]}}"
    async with site(tmp_path, more=more, top=top, legacy=old, new=new) as at:
        for user in ("anna", "berta", "anna"):
            await at.facade.get("/", f"cookie: uid={user}")
        (difference,) = (await reported(at, 3))["differences"]
        assert (difference["count"], difference["users"]) == (3, 2)
        stored = await at.facade.get("/parity/counts", admin=True)
        assert b"anna" not in stored


async def test_counts_survive_a_restart_until_the_setup_changes(tmp_path: Path) -> None:
    more = COMPARE % "status: exact"
    async with site(tmp_path, more=more, legacy=responding(js(1)), new=responding(js(1))) as at:
        for _ in range(3):
            await at.facade.get("/")
        await at.counted(compared(3))
        at.facade.stop.set()
        text = at.facade.routes.read_text()
        kept = tmp_path / "routes.yaml.parity.json"
        await eventually(kept.exists)
        assert kept.stat().st_mode & 0o777 == 0o600
        async with facade_in_loop(text, tmp_path) as again:
            at.facade = again
            assert (await reported(at, 3))["compared"] == 3
            await again.get("/")
            assert (await reported(at, 4))["compared"] == 4
            again.routes.write_text(text.replace("status: exact", "status: class"))
            await eventually(lambda: again.app.table.state.reloads == 1)
            assert (await parity(at))["compared"] == 0


def secretive(body: str) -> Script:
    fields = (b"set-cookie: sid=CANARY-cookie", b"x-token: CANARY-token")
    return responding(
        js({"password": "CANARY-body", "user": {"pin": "CANARY-body"}, "v": body}, *fields)
    )


async def test_nothing_secret_is_stored(tmp_path: Path) -> None:
    more = COMPARE % 'headers: [set-cookie, x-token], redact: ["body:$.user.pin", "query:q"]'
    async with site(
        tmp_path, more=more, legacy=secretive("a"), new=responding(js({"v": "b"}))
    ) as at:
        fields = ("cookie: sid=CANARY-cookie", "authorization: Bearer CANARY-token")
        await at.facade.get("/?q=CANARY-query", *fields)
        report = await reported(at, 1)
        assert len(report["differences"]) >= 4
        await at.facade.get("/plain", *fields)
        assert len((await recorded(at, 1))["cases"]) == 1
        shown = [
            await at.facade.get(path, admin=True)
            for path in ("/parity", "/parity/counts", "/parity/cases?route=list", "/metrics")
        ]
        at.facade.stop.set()
        kept = tmp_path / "routes.yaml.parity.json"
        await eventually(kept.exists)
        for text in (*shown, kept.read_bytes(), at.facade.access_log.read_bytes()):
            assert [canary for canary in CANARIES if canary.encode() in text] == []


async def test_cases_are_recorded_for_tests_of_the_new_service(tmp_path: Path) -> None:
    old = responding(lambda request: js({"path": request.head.target.decode(), "cost": 7}))
    new = responding(lambda request: js({"path": request.head.target.decode(), "cost": 8}))
    async with site(tmp_path, more=COMPARE % "status: exact", legacy=old, new=new) as at:
        fields = ("accept: application/json", "x-user: anna")
        await at.facade.get("/list?q=1", *fields)
        found = await recorded(at, 1)
        (case,) = found["cases"]
        assert (found["route"], case["status"], case["places"]) == ("list", 200, ["value /cost"])
        assert case["body"] == {"path": "/list?q=1", "cost": 7}
        assert case["request"] == {
            "method": "GET",
            "target": "/list?q=1",
            "headers": [["accept", "application/json"]],
        }


async def test_a_route_without_comparison_has_no_parity(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        assert b" 404 " in (await at.facade.get("/parity?route=list", admin=True)).split(b"\r\n")[0]
        assert (await at.facade.get("/parity", admin=True)).endswith(b'{"routes":[]}')
