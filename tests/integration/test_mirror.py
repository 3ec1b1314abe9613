"""Mirrors: which requests are copied, what the other backend gets, and what never reaches it (rules 5 and 6)."""

import asyncio
import time
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from proxy.telemetry.mirror_counters import RouteCopies
from tests.integration.mirror_site import CANARY, Site, site
from tests.support.facade_in_loop import TIERS
from tests.support.origin import ok, origin, responding, silent
from tests.support.waiting import eventually
from tests.support.wire import Message

MARK = b"x-facade-mirror"


def sent(count: int, **dropped: int) -> RouteCopies:
    return RouteCopies(count, 0, 0, 0, 0, dropped)


async def responses(at: Site, *requests: tuple[str, ...], method: str = "GET") -> list[bytes]:
    """The bodies of the responses to requests, each on a connection of its own."""
    return [
        (await at.facade.get(path, *fields, method=method)).rpartition(b"\r\n\r\n")[2]
        for path, *fields in requests
    ]


@pytest.mark.parametrize("tier", TIERS)
async def test_a_copy_is_marked_and_follows_the_rules_of_its_own_backend(
    tier: Tier, tmp_path: Path
) -> None:
    refs = """
  - legacy
  - name: new
    url_rewrite: {path: {replace_prefix_match: /v2}}
    request: {headers: {set: {x-for: new}}}"""
    more = "match: {path: {prefix: /v1}}\n  mirror: {}"
    fields = ("cookie: a=1; new_only=2", "authorization: Bearer s", "if-none-match: x")
    async with site(tmp_path, tier=tier, refs=refs, more=more) as at:
        # The first request finds no idle connection, the second one goes the quick way.
        for count in (1, 2):
            assert await responses(at, ("/v1/list?q=1", *fields)) == [b"legacy"]
            copy = (await at.copied(count))[-1].head
            served = at.received["legacy"][-1].head
            assert (copy.target, served.target) == (b"/v2/list?q=1", b"/v1/list?q=1")
            assert (copy.all(b"cookie"), served.all(b"cookie")) == ([b"new_only=2"], [b"a=1"])
            assert (copy.one(MARK), copy.one(b"x-for")) == (b"1", b"new")
            assert (served.all(MARK), served.one(b"authorization")) == ([], b"Bearer s")
            assert (copy.all(b"authorization"), copy.all(b"if-none-match")) == ([], [])
            assert copy.one(b"x-request-id") == served.one(b"x-request-id")
            assert copy.one(b"host") == at.new.url.removeprefix("http://").encode()
        await at.counted(sent(2))


@pytest.mark.parametrize("tier", TIERS)
async def test_credentials_are_copied_where_the_route_says_so(tier: Tier, tmp_path: Path) -> None:
    async with site(tmp_path, tier=tier, more="mirror: {forward_credentials: true}") as at:
        await responses(at, ("/", "authorization: Basic s"), ("/", "authorization: NTLM s"))
        copy = (await at.copied(1))[0].head
        assert copy.one(b"authorization") == b"Basic s"
        # A login of the connection is the client's alone: the whole request is not copied.
        await at.counted(sent(1))


@pytest.mark.parametrize("tier", TIERS)
async def test_a_client_cannot_mark_its_request_as_a_copy(tier: Tier, tmp_path: Path) -> None:
    async with site(tmp_path, tier=tier) as at:
        for _ in range(2):
            await responses(at, ("/", f"{MARK.decode()}: 7"))
        assert [each.head.all(MARK) for each in at.received["legacy"]] == [[], []]
        assert [each.head.all(MARK) for each in await at.copied(2)] == [[b"1"], [b"1"]]


@pytest.mark.parametrize("tier", TIERS)
async def test_no_write_reaches_the_mirror(tier: Tier, tmp_path: Path) -> None:
    async with site(tmp_path, tier=tier) as at:
        for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND", "post"):
            for _ in range(2):
                await responses(at, ("/",), method=method)
        await responses(at, ("/last",))
        assert [each.head.target for each in await at.copied(1)] == [b"/last"]
        await at.counted(sent(1))


@pytest.mark.parametrize("tier", TIERS)
async def test_writes_are_copied_to_the_sandbox_alone(tier: Tier, tmp_path: Path) -> None:
    received: list[Message] = []
    async with origin(responding(ok(), received)) as sandbox:
        policy = f'{{policy: shadow_sandbox, shadow_url: "{sandbox.url}"}}'
        more = f"mirror: {{max_body_bytes: 8B}}\n  writes: {policy}"
        async with site(tmp_path, tier=tier, more=more) as at:
            for body in (b"12345678", b"123456789", b"whole"):
                await at.facade.get("/", method="POST", body=body)
            chunked = b"POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            await at.facade.send(chunked + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            await responses(at, ("/read",))
            await at.copied(1)
            await at.counted(sent(4, body=1))
            assert [each.head.target for each in at.received["new"]] == [b"/read"]
            assert sorted(each.body for each in received) == [b"12345678", b"abcde", b"whole"]
            assert all(each.head.one(MARK) == b"1" for each in received)


async def test_a_sandbox_that_is_a_backend_by_another_setting_gets_no_write(tmp_path: Path) -> None:
    """`--backend` replaces the endpoints of a table that was checked."""
    async with origin(responding(ok())) as sandbox:
        policy = f'{{policy: shadow_sandbox, shadow_url: "{sandbox.url}"}}'
        more = f"mirror: {{}}\n  writes: {policy}"
        async with site(tmp_path, more=more, backends=(("new", sandbox.endpoint),)) as at:
            await responses(at, ("/",), method="POST")
            await at.counted(sent(0, sandbox=1))
            assert sandbox.accepted == 0


def marked(at: Site) -> dict[str, int]:
    """How many copies each backend got."""
    return {
        name: sum(each.head.all(MARK) == [b"1"] for each in received)
        for name, received in at.received.items()
    }


@pytest.mark.parametrize(
    ("stage", "refs", "draw", "served", "copied"),
    [
        ("canary", CANARY, 9_999, b"legacy", "new"),
        ("canary", CANARY, 0, b"new", ""),
        ("live", "[legacy, new]", 0, b"new", "legacy"),
        ("legacy", "[legacy, new]", 0, b"legacy", ""),
    ],
)
@pytest.mark.parametrize("tier", TIERS)
async def test_the_stage_says_which_backend_gets_copies(
    tier: Tier, stage: str, refs: str, draw: int, served: bytes, copied: str, tmp_path: Path
) -> None:
    async with site(tmp_path, tier=tier, stage=stage, refs=refs, draw=lambda: draw) as at:
        assert await responses(at, ("/",), ("/",)) == [served, served]
        await at.counted(sent(2 if copied else 0))
        expected = {"legacy": 0, "new": 0} | ({copied: 2} if copied else {})
        await eventually(lambda: marked(at) == expected)


@pytest.mark.parametrize("tier", TIERS)
async def test_the_draw_decides_whether_a_request_is_copied(tier: Tier, tmp_path: Path) -> None:
    draws = iter([0, 1, 2, 3, 4] * 2)
    more = "mirror: {percent: 50}"
    async with site(tmp_path, tier=tier, more=more, draw=lambda: next(draws)) as at:
        for number in range(10):
            await responses(at, (f"/{number}",))
        # 6,181 times the draw, modulo 10,000, is below 5,000 for 0, 2 and 4.
        await at.counted(sent(6))
        targets = {each.head.target for each in await at.copied(6)}
        assert targets == {b"/0", b"/2", b"/4", b"/5", b"/7", b"/9"}


@pytest.mark.parametrize("tier", TIERS)
async def test_more_copies_than_allowed_are_dropped_and_counted(tier: Tier, tmp_path: Path) -> None:
    more = "mirror: {max_concurrency: 2, timeout: 3s}"
    async with site(tmp_path, tier=tier, more=more, new=silent) as at:
        for _ in range(5):
            assert await responses(at, ("/",)) == [b"legacy"]
        await at.counted(sent(2, concurrency=3))
        await at.counted(sent(2, concurrency=3, timeout=2))
        await responses(at, ("/",))
        await at.counted(sent(3, concurrency=3, timeout=3))


@pytest.mark.parametrize("tier", TIERS)
async def test_copies_beyond_the_limit_wait_for_others_to_end(tier: Tier, tmp_path: Path) -> None:
    more = "mirror: {max_concurrency: 2, timeout: 20s}"
    async with site(tmp_path, tier=tier, more=more) as at:
        await asyncio.gather(*(responses(at, ("/",)) for _ in range(20)))
        await at.counted(sent(20))
        assert len(await at.copied(20)) == 20


async def test_a_reload_changes_where_copies_go(tmp_path: Path) -> None:
    received: list[Message] = []
    async with origin(responding(ok(), received)) as other, site(tmp_path) as at:
        await responses(at, ("/one",))
        await at.counted(sent(1))
        text = at.facade.routes.read_text()
        at.facade.routes.write_text(text.replace(at.new.url, other.url))
        await eventually(lambda: at.facade.app.table.state.reloads == 1)
        await responses(at, ("/two",))
        await at.counted(sent(2))
        await eventually(lambda: len(received) == 1)
        assert received[0].head.target == b"/two"
        # The connections to the backend before are closed.
        await eventually(lambda: at.new.open == 0)
        at.facade.routes.write_text(text.replace("mirror: {}", "mirror: {percent: 0}"))
        await eventually(lambda: at.facade.app.table.state.reloads == 2)
        await responses(at, ("/three",))
        assert at.copies == sent(2)


async def test_copies_do_not_hold_the_end_of_a_facade_up(tmp_path: Path) -> None:
    async with site(tmp_path, more="mirror: {timeout: 5m}", new=silent) as at:
        await responses(at, ("/",))
        await eventually(lambda: at.copies.sent == 1)
        began = time.monotonic()
    assert time.monotonic() - began < 20
