"""Fallback to the other backend, on both tiers, over real sockets."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.integration.commands import facade as command
from tests.integration.fallback_site import ALL, answer, table
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.ill_backend import IllBackend, ill_backends, status
from tests.support.origin import ok
from tests.support.ports import free_port
from tests.support.waiting import eventually

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("failure", "word"),
    [
        pytest.param(status(503), "503", id="a listed status"),
        pytest.param(status(500), "not_ok", id="a status that is not ok"),
        pytest.param(ok(b""), "not_ok", id="an empty 200"),
        pytest.param(ok(b"<html>"), "not_ok", id="a page with status 200"),
        pytest.param(ok(b"{}"), "not_ok", id="another JSON type"),
        pytest.param(CHUNKED + b"0\r\n\r\n", "not_ok", id="empty, in chunks"),
        pytest.param(ok(gzip.compress(b"{}"), b"content-encoding: gzip"), "not_ok", id="encoded"),
        pytest.param("reset", "502", id="a reset"),
    ],
)  # fmt: skip
async def test_a_read_that_fails_is_answered_by_the_other_backend(
    failure: bytes | str, word: str, tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        async with facade_in_loop(table(legacy.url, new.url), tmp_path, tier=tier) as facade:
            assert await answer(facade) == (200, "new", "stage")
            new.how = failure
            assert await answer(facade) == (200, "legacy", f"fallback:{word}")
            assert legacy.seen == {"GET": 1}
            first, second = await facade.log_lines(2)
            assert (first["response_ok"], "first_backend" in first) == (True, False)
            assert (second["backend"], second["reason"]) == ("legacy", f"fallback:{word}")
            assert (second["first_backend"], second["response_ok"]) == ("new", True)
            metrics = (await facade.get("/metrics", admin=True)).decode()
            labels = f'route="list",backend="new",reason="{word}"'
            assert f"facade_fallbacks_total{{{labels}}} 1\n" in metrics


@pytest.mark.parametrize("tier", TIERS)
async def test_a_backend_that_refuses_connections_is_left_for_the_other(
    tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"legacy") as (legacy,):
        text = table(legacy.url, f"http://127.0.0.1:{free_port()}")
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            assert await answer(facade) == (200, "legacy", "fallback:connect_failure")
            assert await answer(facade, method="POST", body=b"x") == (502, "new", "unreachable")
            assert legacy.seen == {"GET": 1}


@pytest.mark.parametrize("tier", TIERS)
async def test_a_backend_that_is_silent_is_left_after_half_of_the_time(
    tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, "timeouts: {request: 2s}")
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            new.how = "frozen"
            assert await answer(facade) == (200, "legacy", "fallback:timeout")
            new.how = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[1"
            backend = asyncio.create_task(answer(facade))
            await eventually(lambda: len(new.requests) == 2)
            assert new.server is not None
            await eventually(lambda: new.server is not None and new.server.accepted >= 2)
            new.server.connections[-1].reset()
            assert await backend == (200, "legacy", "fallback:502")


@pytest.mark.parametrize("tier", TIERS)
async def test_a_write_stays_with_its_writer(tier: Tier, tmp_path: Path) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        async with facade_in_loop(table(legacy.url, new.url), tmp_path, tier=tier) as facade:
            for failure, code, reason in (
                (status(503), 503, "stage"),
                ("reset", 502, "stale"),
                (ok(b""), 200, "stage"),
            ):
                new.how = failure
                assert await answer(facade, method="POST", body=b"x") == (code, "new", reason)
            assert (new.seen, legacy.seen) == ({"POST": 3}, {})
            *_, last = await facade.log_lines(3)
            assert last["response_ok"] is False


@pytest.mark.parametrize("tier", TIERS)
async def test_a_write_that_both_may_take_goes_to_the_other_backend(
    tier: Tier, tmp_path: Path
) -> None:
    writes = "writes: {policy: dual_write, idempotency_key: idempotency-key}"
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, writes)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            new.how = status(503)
            key = "idempotency-key: k"
            found = await answer(facade, key, method="POST", body=b"x" * 40_000)
            assert found == (200, "legacy", "fallback:503")
            assert legacy.requests[0].body == b"x" * 40_000
            assert await answer(facade, method="POST", body=b"x") == (503, "new", "stage")


@pytest.mark.parametrize("tier", TIERS)
async def test_there_is_no_loop(tier: Tier, tmp_path: Path) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        async with facade_in_loop(table(legacy.url, new.url), tmp_path, tier=tier) as facade:
            new.how, legacy.how = status(503, b"new"), status(502, b"legacy")
            assert await answer(facade) == (502, "legacy", "fallback:503")
            legacy.how = ok(b"")
            assert await answer(facade) == (200, "legacy", "fallback:503")
            assert (len(new.requests), len(legacy.requests)) == (2, 2)
            lines = await facade.log_lines(2)
            assert [line["response_ok"] for line in lines] == [False, False]


@pytest.mark.parametrize("tier", TIERS)
async def test_past_the_budget_the_client_gets_the_error_of_the_first(
    tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, fallback=f"{ALL}, budget: {{percent: 20}}")
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            new.how, legacy.how = status(503), "frozen"
            tasks = [asyncio.create_task(answer(facade)) for _ in range(3)]
            await eventually(lambda: legacy.waiting == 3)
            assert await answer(facade) == (503, "new", "stage")
            metrics = await facade.get("/metrics", admin=True)
            labels = b'route="list",backend="new",budget="fallback"'
            assert b"facade_budget_exhausted_total{%b} 1\n" % labels in metrics
            legacy.released.set()
            await asyncio.wait(tasks)
            assert facade.app.forwarder.loads.of("list").active == 1
            new.how, legacy.how = status(503), ok(b"[]")
            assert await answer(facade) == (200, "legacy", "fallback:503")


@pytest.mark.parametrize("tier", TIERS)
async def test_a_full_queue_of_the_other_backend_ends_the_fallback(
    tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        limits = "circuit_breakers: {max_connections: 1, max_pending_requests: 0}"
        text = table(legacy.url, new.url).replace(
            f'legacy: "{legacy.url}"', f'legacy: {{url: "{legacy.url}", {limits}}}'
        )
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            new.how, legacy.how = status(503), "frozen"
            task = asyncio.create_task(answer(facade))
            await eventually(lambda: legacy.waiting == 1)
            assert await answer(facade) == (503, "new", "stage")
            legacy.released.set()
            await asyncio.wait([task])


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("budget", ["", ", budget: {percent: 0}"], ids=["no budget", "a budget"])
async def test_an_open_breaker_leads_to_the_other_backend(
    budget: str, tier: Tier, tmp_path: Path
) -> None:
    outliers = ", outlier_detection: {consecutive_5xx: 1, base_ejection_time: 400ms}"
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, fallback=f"{ALL}{budget}", of_new=outliers)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            health = facade.app.forwarder.health
            new.how = ok(b"")  # Not ok, so it counts as a failure.
            assert await answer(facade) == (200, "legacy", "fallback:not_ok")
            await eventually(lambda: health.current.breaker("new") == "open")
            before = len(new.requests)
            assert await answer(facade) == (200, "legacy", "fallback:circuit_open")
            assert len(new.requests) == before
            legacy.how = "frozen"
            held = [asyncio.create_task(answer(facade)) for _ in range(3)]
            await eventually(lambda: legacy.waiting == 3)
            if budget:
                found = await answer(facade)
                # Perhaps it is the one that tries the newcomer again.
                assert found in {(503, "new", "circuit_open"), (200, "new", "stage")}
            new.how = ok(b"[]")
            legacy.released.set()
            await asyncio.wait(held)
            legacy.how = ok(b"[]")
            reasons = set()
            async with asyncio.timeout(20):
                while (found := await answer(facade)) != (200, "new", "stage"):
                    reasons.add(found)
            assert reasons <= {(200, "legacy", "fallback:circuit_open")}


@contextlib.asynccontextmanager
async def soon_half_open(
    folder: Path, tier: Tier
) -> AsyncIterator[tuple[RunningFacade, IllBackend]]:
    """A facade whose newcomer is ejected after one failure, for 300 ms, and that newcomer."""
    outliers = ", outlier_detection: {consecutive_5xx: 1, base_ejection_time: 300ms}"
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, of_new=outliers)
        async with facade_in_loop(text, folder, tier=tier) as facade:
            yield facade, new


async def new_is_half_open(facade: RunningFacade, new: IllBackend) -> None:
    """The newcomer fails once, is ejected, and is silent after that."""
    health = facade.app.forwarder.health
    new.how = status(503)
    assert (await answer(facade))[1] == "legacy"
    new.how = "frozen"
    await eventually(lambda: health.current.breaker("new") == "half_open")


@pytest.mark.parametrize("tier", TIERS)
async def test_one_read_at_a_time_tries_a_backend_whose_breaker_is_half_open(
    tier: Tier, tmp_path: Path
) -> None:
    async with soon_half_open(tmp_path, tier) as (facade, new):
        await new_is_half_open(facade, new)
        tasks = [asyncio.create_task(answer(facade)) for _ in range(10)]
        await eventually(lambda: sum(task.done() for task in tasks) == 9)
        assert (new.waiting, len(new.requests)) == (1, 2)
        new.released.set()
        found = {await task for task in tasks}
        assert found == {(200, "legacy", "fallback:circuit_open"), (200, "legacy", "fallback:502")}  # fmt: skip


@pytest.mark.parametrize("tier", TIERS)
async def test_another_read_tries_the_backend_when_the_client_of_the_first_has_left(
    tier: Tier, tmp_path: Path
) -> None:
    async with soon_half_open(tmp_path, tier) as (facade, new):
        health = facade.app.forwarder.health
        await new_is_half_open(facade, new)
        first = asyncio.create_task(answer(facade))
        await eventually(lambda: new.waiting)
        assert health.current.breaker("new") == "open"
        first.cancel()
        await asyncio.wait([first])
        await eventually(lambda: health.current.breaker("new") == "half_open")
        new.how = ok(b"[]")
        assert await answer(facade) == (200, "new", "stage")
        new.released.set()


@pytest.mark.parametrize("tier", TIERS)
async def test_a_write_that_is_stuck_does_not_prevent_that_a_read_tries_its_backend(
    tier: Tier, tmp_path: Path
) -> None:
    async with soon_half_open(tmp_path, tier) as (facade, new):
        health = facade.app.forwarder.health
        new.how = "frozen"
        write = asyncio.create_task(answer(facade, method="POST", body=b"x"))
        await eventually(lambda: new.waiting)
        new.how = status(503)
        assert (await answer(facade))[1] == "legacy"
        await eventually(lambda: health.current.breaker("new") == "half_open")
        assert await answer(facade) == (200, "legacy", "fallback:503")
        new.how = ok(b"[]")
        await eventually(lambda: health.current.breaker("new") == "half_open")
        assert await answer(facade) == (200, "new", "stage")
        assert not write.done()
        new.released.set()
        assert (await write)[:2] == (502, "new")


@pytest.mark.parametrize("tier", TIERS)
async def test_clients_that_have_chosen_a_backend_see_how_it_fails(
    tier: Tier, tmp_path: Path
) -> None:
    override = "override: {header: x-choice, allow_from: [127.0.0.0/8]}"
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, override)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            new.how = status(503)
            assert await answer(facade, "x-choice: new") == (503, "new", "override")


@pytest.mark.parametrize("tier", TIERS)
async def test_the_kill_switch_allows_no_fallback_to_the_newcomer(
    tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = "kill_switch: true\n" + table(legacy.url, new.url)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            legacy.how = status(503)
            assert await answer(facade) == (503, "legacy", "kill_switch")
            assert new.requests == []


async def test_explain_of_a_running_facade_shows_the_fallback(tmp_path: Path) -> None:
    outliers = ", outlier_detection: {consecutive_5xx: 1, base_ejection_time: 1h}"
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, of_new=outliers)
        async with facade_in_loop(text, tmp_path) as facade:
            new.how = status(503)
            await answer(facade)
            health = facade.app.forwarder.health
            await eventually(lambda: health.current.breaker("new") == "open")
            shown = await facade.get("/explain?method=GET&url=/", admin=True)
            (way,) = json.loads(shown.partition(b"\r\n\r\n")[2])["ways"]
            assert (way["backend"], way["reason"]) == ("legacy", "fallback:circuit_open")
            assert way["instead_of"] == "new (stage): its breaker is open"


async def test_explain_shows_the_share_of_the_backend_that_was_chosen_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outliers = ", outlier_detection: {consecutive_5xx: 1, base_ejection_time: 1h}"
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, of_new=outliers)
        text = text.replace("stage: live", "stage: canary").replace(
            "[legacy, new]", "{legacy: 1, new: 99}"
        )
        async with facade_in_loop(text, tmp_path) as facade:
            new.how = status(503)
            health = facade.app.forwarder.health
            for _ in range(50):
                await answer(facade)
            await eventually(lambda: health.current.breaker("new") == "open")
            live = f"http://{facade.admin.host}:{facade.admin.port}"
            words = ("explain", "GET", "/", "--bucket", "12.34", "--live", live)
            assert await asyncio.to_thread(command, *words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "backend  legacy (fallback:circuit_open)" in lines
    first = (
        "first    new (draw): its breaker is open, 99 % of its requests: buckets from 0 to below 99"
    )
    assert f"{first}; this request has bucket 12.34" in lines
