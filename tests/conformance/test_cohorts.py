"""Clients of a cohort on both tiers: who is served by the newcomer, which cookie they get, and what backends see."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.routing.cohort import bucket_of
from tests.conformance.harness import Tier, client, facade
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import ok, origin, responding
from tests.support.waiting import eventually
from tests.support.wire import Message

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = """
version: 1
backends: {{legacy: "{legacy}", new: "{new}"}}
cohorts: {{people: {{salt: s, hash_policy: [{{cookie: uid}}, {{cookie: cid, generate: true, ttl: 2d}}]}}}}
kill_switch: {killed}
routes:
- name: all
  stage: {stage}
  cohort: people
  backend_refs: {{legacy: {rest:g}, new: {weight:g}}}
"""


class Sites:
    """The two backends and what each of them was sent."""

    def __init__(self, legacy: str, new: str, seen: list[Message]) -> None:
        self._urls = {"legacy": legacy, "new": new}
        self.seen = seen

    def table(self, weight: float, killed: bool = False) -> str:
        stage = "canary" if weight else "legacy"
        switch = "true" if killed else "false"
        return TABLE.format(
            **self._urls, weight=weight, rest=100 - weight, stage=stage, killed=switch
        )


@contextlib.asynccontextmanager
async def sites() -> AsyncIterator[Sites]:
    seen: list[Message] = []
    async with (
        origin(responding(ok(b"legacy"), seen)) as legacy,
        origin(responding(ok(b"new"), seen)) as new,
    ):
        yield Sites(legacy.url, new.url, seen)


async def ask(up: RunningFacade, *fields: bytes) -> Message:
    async with client(up) as wire:
        wire.send(b"\r\n".join((b"GET /a HTTP/1.1", b"host: facade.example", *fields, b"", b"")))
        return await wire.response()


async def reload(up: RunningFacade, routes: str) -> None:
    before = up.app.table.current.version
    up.routes.write_text(routes)
    await eventually(lambda: up.app.table.current.version != before)


async def test_a_key_decides_and_needs_no_cookie(tier: Tier, tmp_path: Path) -> None:
    async with sites() as made, facade(tier, made.table(50), tmp_path) as up:
        for number in range(20):
            expected = b"new" if bucket_of("s", b"%d" % number) < 5_000 else b"legacy"
            answer = await ask(up, b"cookie: uid=%d" % number)
            assert answer.body == expected
            assert answer.head.all(b"set-cookie") == []
            decision = answer.head.one(b"x-facade-decision")
            assert decision.endswith(b"reason=cohort")


async def test_a_client_without_a_key_keeps_its_backend_by_its_id(
    tier: Tier, tmp_path: Path
) -> None:
    async with sites() as made, facade(tier, made.table(50), tmp_path) as up:
        for _ in range(8):
            first = await ask(up)
            value = first.head.one(b"set-cookie").strip()
            assert re.fullmatch(
                rb"cid=[0-9a-f]{32}; Path=/; Max-Age=172800; HttpOnly; SameSite=Lax", value
            )
            pair = value.partition(b";")[0]
            for _ in range(2):
                again = await ask(up, b"cookie: theme=dark; " + pair)
                assert (again.body, again.head.all(b"set-cookie")) == (first.body, [])


async def test_no_backend_sees_the_id(tier: Tier, tmp_path: Path) -> None:
    async with sites() as made, facade(tier, made.table(50), tmp_path) as up:
        await ask(up, b"cookie: cid=0123")
        await ask(up, b"cookie: theme=dark; cid=0123; uid=7")
        await ask(up, b"cookie: cid=0123", b"cookie: cid=4567; theme=dark")
        sent = [message.head.all(b"cookie") for message in made.seen]
        assert sent == [[], [b"theme=dark; uid=7"], [b"theme=dark"]]


@pytest.mark.parametrize("killed", [False, True], ids=["weight 0", "kill switch"])
async def test_the_newcomer_is_empty_with_the_next_request(
    tier: Tier, tmp_path: Path, killed: bool
) -> None:
    users = [b"cookie: uid=%d" % number for number in range(30)]
    async with sites() as made, facade(tier, made.table(50), tmp_path) as up:
        assert {(await ask(up, user)).body for user in users} == {b"legacy", b"new"}
        await reload(up, made.table(50, killed=True) if killed else made.table(0))
        for user in (*users, b"cookie: cid=0123", b"x: y"):
            answer = await ask(up, user)
            assert (answer.body, answer.head.all(b"set-cookie")) == (b"legacy", [])


@pytest.mark.parametrize(
    "cookies",
    [
        pytest.param([b"cookie: cid=" + b"x" * 7000], id="huge"),
        pytest.param([b"cookie: cid=1; cid=2", b"cookie: cid=3"], id="repeated"),
        pytest.param([b"cookie: cid=new"], id="the name of a backend"),
        pytest.param([b"cookie: cid=\xff\xfe\x80"], id="bytes that are no text"),
        pytest.param([b"cookie: cid=0; uid=1.5.9; cid"], id="forged"),
    ],
)
async def test_a_forged_cookie_is_an_ordinary_key(
    tier: Tier, tmp_path: Path, cookies: list[bytes]
) -> None:
    async with sites() as made, facade(tier, made.table(50), tmp_path) as up:
        answer = await ask(up, *cookies)
        assert answer.head.status == 200
        assert answer.head.all(b"set-cookie") == []
        await reload(up, made.table(0))
        assert (await ask(up, *cookies)).body == b"legacy"


async def test_an_empty_id_is_replaced(tier: Tier, tmp_path: Path) -> None:
    async with sites() as made, facade(tier, made.table(50), tmp_path) as up:
        answer = await ask(up, b"cookie: cid=; uid=")
        assert len(answer.head.all(b"set-cookie")) == 1
