"""Clients of a cohort on both tiers: who is served by the newcomer, which cookie they get, and what backends see."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.model import SigningKey
from proxy.routing.cohort import bucket_of
from proxy.routing.override import override_token
from tests.conformance.harness import Tier, client, facade
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import ok, origin, responding
from tests.support.waiting import eventually
from tests.support.wire import Message, Wire

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
        self.urls = {"legacy": legacy, "new": new}
        self.seen = seen

    def table(self, weight: float, killed: bool = False) -> str:
        stage = "canary" if weight else "legacy"
        switch = "true" if killed else "false"
        return TABLE.format(
            **self.urls, weight=weight, rest=100 - weight, stage=stage, killed=switch
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


# --- overrides ------------------------------------------------------------------------------------

CHOICE = """
version: 1
backends: {{legacy: "{legacy}", new: "{new}"}}
kill_switch: {killed}
routes:
- name: all
  stage: legacy
  backend_refs: [legacy, new]
  override: {{{where}: choice, {allowed}}}
"""


class Choices(Sites):
    """A table with an override, in place of one with a cohort."""

    def dark(self, where: str, allowed: str, killed: str = "false") -> str:
        return CHOICE.format(**self.urls, where=where, allowed=allowed, killed=killed)


@contextlib.asynccontextmanager
async def choices() -> AsyncIterator[Choices]:
    async with sites() as made:
        yield Choices(made.urls["legacy"], made.urls["new"], made.seen)


@pytest.mark.parametrize("where", ["header", "cookie"])
async def test_a_tester_reaches_what_nobody_else_does(
    tier: Tier, tmp_path: Path, where: str
) -> None:
    field = b"choice: new" if where == "header" else b"cookie: a=1; choice=new"
    async with choices() as made:
        table = made.dark(where, "allow_from: [127.0.0.0/8]")
        async with facade(tier, table, tmp_path) as up:
            assert (await ask(up)).body == b"legacy"
            answer = await ask(up, field)
            assert answer.body == b"new"
            assert answer.head.one(b"x-facade-decision").endswith(b"reason=override")
            heads = [message.head for message in made.seen]
            assert not any(head.all(b"choice") for head in heads)
            assert heads[-1].all(b"cookie") == ([b"a=1"] if where == "cookie" else [])
            await reload(up, made.dark("header", "allow_from: [192.0.2.0/24]"))
            assert (await ask(up, field)).body == b"legacy"
            await reload(up, made.dark(where, "allow_from: [127.0.0.0/8]", "true"))
            assert (await ask(up, field)).body == b"legacy"


async def test_a_token_is_valid_while_its_key_is(tier: Tier, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"a" * 64 + b"\n")
    expires_s = 9_999_999_999
    old = override_token(SigningKey(b"a" * 64), "all", "new", expires_s)
    fresh = override_token(SigningKey(b"b" * 64), "all", "new", expires_s)
    async with choices() as made:
        table = made.dark("header", "token_key_file: key")
        async with facade(tier, table, tmp_path) as up:
            answers = [(await ask(up, b"choice: " + t.encode())).body for t in (old, fresh)]
            assert answers == [b"new", b"legacy"]
            key.write_bytes(b"b" * 64)
            await eventually(lambda: up.app.table.state.reloads == 1)
            answers = [(await ask(up, b"choice: " + t.encode())).body for t in (old, fresh)]
            assert answers == [b"legacy", b"new"]
            key.write_bytes(b"short")
            await eventually(lambda: "shorter than 32 bytes" in up.app.table.state.error)
            assert (await ask(up, b"choice: " + fresh.encode())).body == b"new"
            assert fresh.rpartition(":")[2] not in up.access_log.read_text()


# --- read-your-writes -----------------------------------------------------------------------------

WRITERS = """
version: 1
backends: {{legacy: "{legacy}", new: "{new}"}}
cohorts:
  people:
    salt: s
    hash_policy: [{{cookie: uid}}]
    read_your_writes: {{ttl: 1h, key_file: key}}
routes:
- {{name: all, cohort: people, backend_refs: {{legacy: {rest}, new: {weight}}}}}
"""
WEIGHTS = (5, 10, 25, 50, 75, 95, 60, 20)
USERS, CLIENTS, ROUNDS = 1_000, 20, 3


class Store:
    """A backend that never gets what is written to the other one."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.reads = 0
        self.cookies: set[bytes] = set()

    def respond(self, message: Message) -> bytes:
        user, _, value = message.head.target.partition(b"?")
        self.cookies.update(message.head.all(b"cookie"))
        if message.head.line.startswith(b"POST"):
            self.values[user] = value
        else:
            self.reads += 1
        return ok(self.values.get(user, b"-"))


class User:
    """A client with a jar of cookies, that knows what it wrote last."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.jar = {b"uid": b"%d" % number}
        self.written = b"-"

    async def ask(self, wire: Wire, method: bytes, value: bytes = b"") -> Message:
        cookies = b"; ".join(b"%b=%b" % each for each in self.jar.items())
        target = b"/%d%b" % (self.number, value)
        wire.send(b"%b %b HTTP/1.1\r\nhost: f\r\ncookie: %b\r\n" % (method, target, cookies))
        wire.send(b"content-length: 0\r\n\r\n" if method == b"POST" else b"\r\n")
        answer = await wire.response()
        for each in answer.head.all(b"set-cookie"):
            name, _, kept = each.strip().partition(b";")[0].partition(b"=")
            self.jar[name] = kept
        return answer

    async def write(self, wire: Wire, value: bytes) -> None:
        await self.ask(wire, b"POST", b"?" + value)
        self.written = value

    async def is_stale(self, wire: Wire) -> bool:
        return (await self.ask(wire, b"GET")).body != self.written


async def test_a_thousand_users_read_what_they_wrote_through_a_ramp(
    tier: Tier, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    legacy, new = Store(), Store()
    async with (
        origin(responding(legacy.respond)) as one,
        origin(responding(new.respond)) as other,
    ):

        def table(weight: int) -> str:
            return WRITERS.format(legacy=one.url, new=other.url, weight=weight, rest=100 - weight)

        async with facade(tier, table(WEIGHTS[0]), tmp_path) as up:
            stale = await _ramp(up, [table(weight) for weight in WEIGHTS])
    assert stale == []
    assert min(legacy.reads, new.reads) > USERS / 10
    moved = len(set(legacy.values) & set(new.values))
    assert moved > USERS / 10, "the ramp moved nobody's writes"
    assert not any(b"facade_writes" in cookie for cookie in legacy.cookies | new.cookies)


@dataclass
class Progress:
    """The edits so far, and those after which the clients go on."""

    edits: int = 0
    due: int = 0


async def _ramp(up: RunningFacade, tables: list[str]) -> list[int]:
    """The users who read another value than they wrote last, while the tables take effect in turn.

    The first client that begins a round lets the ramp go on; the others are still in the round before.
    """
    stale: list[int] = []
    at = Progress()

    async def use(users: list[User]) -> None:
        async with client(up) as wire:
            for turn in range(ROUNDS):
                at.due = max(at.due, turn * len(tables) // ROUNDS)
                await eventually(lambda: at.edits >= at.due, within_s=120)
                for user in users:
                    if (turn + user.number) % 2 == 0:
                        await user.write(wire, b"v%d" % turn)
                    if await user.is_stale(wire):
                        stale.append(user.number)

    everybody = [User(number) for number in range(USERS)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(use(everybody[first::CLIENTS])) for first in range(CLIENTS)]
        for each in tables[1 : 1 + (ROUNDS - 1) * len(tables) // ROUNDS]:
            await eventually(lambda: at.edits < at.due or all(map(asyncio.Task.done, tasks)), 120)
            await reload(up, each)
            at.edits += 1
    return stale
