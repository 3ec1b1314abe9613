"""Active probes: endpoints that fail them get no requests, and come back by themselves."""

import asyncio
import contextlib
import logging
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.integration.health_site import (
    CHECK,
    Endpoint,
    becomes,
    endpoints,
    ready,
    served_by,
    states,
    status,
    table,
)
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import ok, origin
from tests.support.ports import free_port
from tests.support.waiting import eventually

HEALTH_CHECK = f"health_check: {CHECK}"
LONG_EJECTION = "outlier_detection: {consecutive_5xx: 2, base_ejection_time: 1h}"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        pytest.param(status(500), "probe: status 500", id="responds with 500"),
        pytest.param(
            b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            "probe: status 302",
            id="redirects",
        ),
        pytest.param("frozen", "probe: no complete response within 0.15s", id="never responds"),
        pytest.param("slow", "probe: no complete response within 0.15s", id="is slow"),
        pytest.param("endless", "probe: no complete response within 0.15s", id="streams for ever"),
        pytest.param("reset", "connection", id="resets"),
        pytest.param(ok(b"x" * 70_000), "probe: a response of more than 64 KiB", id="too large"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", "HTTP/1.1", id="speaks no HTTP"),
    ],
)
async def test_an_endpoint_that_fails_its_probes_gets_no_requests(
    how: bytes | str, reason: str, tmp_path: Path
) -> None:
    async with endpoints(2) as (ill, well):
        async with facade_in_loop(table([ill.url, well.url], HEALTH_CHECK), tmp_path) as facade:
            ill.probe = how
            await becomes(facade, "unhealthy", "healthy")
            shown = (await ready(facade))["endpoints"][0]["reason"]
            assert reason in shown
            before = ill.requests
            assert {await served_by(facade) for _ in range(6)} == {b"1"}
            assert ill.requests == before
            ill.is_well()
            await becomes(facade, "healthy", "healthy")


@pytest.mark.parametrize("tier", TIERS)
async def test_an_endpoint_that_is_down_comes_back(tier: Tier, tmp_path: Path) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    async with endpoints(1) as (well,):
        text = table([down, well.url], HEALTH_CHECK)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            await becomes(facade, "unhealthy", "healthy")
            assert "refused the connection" in (await ready(facade))["endpoints"][0]["reason"]
            assert await served_by(facade) == b"0"


async def test_an_endpoint_that_is_killed_comes_back_when_it_runs_again(tmp_path: Path) -> None:
    killed = Endpoint(b"killed")
    async with endpoints(1) as (well,), contextlib.AsyncExitStack() as running:
        server = await running.enter_async_context(origin(killed))
        text = table([server.url, well.url], HEALTH_CHECK, LONG_EJECTION)
        async with facade_in_loop(text, tmp_path) as facade:
            assert {await served_by(facade) for _ in range(4)} == {b"killed", b"0"}
            await running.aclose()
            await becomes(facade, "unhealthy", "healthy")
            assert await served_by(facade) == b"0"
            async with origin(killed, port=server.port):
                async with asyncio.timeout(20):
                    while await served_by(facade) != b"killed":
                        await asyncio.sleep(0.02)
                await becomes(facade, "healthy", "healthy")


async def test_the_breaker_opens_without_endpoints_and_requests_go_to_all(tmp_path: Path) -> None:
    async with endpoints(2) as both:
        text = table([each.url for each in both], HEALTH_CHECK)
        async with facade_in_loop(text, tmp_path) as facade:
            assert (await ready(facade))["breaker"] == "closed"
            for each in both:
                each.probe = status(503)
            await becomes(facade, "unhealthy", "unhealthy")
            shown = await ready(facade)
            assert (shown["breaker"], shown["panic"]) == ("open", True)
            assert facade.app.forwarder.health.current.breaker("b") == "open"
            assert {await served_by(facade) for _ in range(4)} == {b"0", b"1"}
            both[0].is_well()
            await becomes(facade, "healthy", "unhealthy")
            assert (await ready(facade))["breaker"] == "closed"


async def test_each_change_is_logged_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with endpoints(2) as (ill, well):
        async with facade_in_loop(table([ill.url, well.url], HEALTH_CHECK), tmp_path) as facade:
            ill.probe = status(500)
            await becomes(facade, "unhealthy", "healthy")
            ill.is_well()
            await becomes(facade, "healthy", "healthy")
    lines = [each.getMessage() for each in caplog.records if "endpoint" in each.getMessage()]
    assert lines == [
        f"backend b: endpoint {ill.url}: healthy -> unhealthy (probe: status 500)",
        f"backend b: endpoint {ill.url}: unhealthy -> healthy",
    ]


async def test_health_is_in_the_metrics_and_in_explain(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        async with facade_in_loop(table([ill.url, well.url], HEALTH_CHECK), tmp_path) as facade:
            ill.probe = status(500)
            await becomes(facade, "unhealthy", "healthy")
            metrics = await facade.get("/metrics", admin=True)
            assert b'facade_endpoints{backend="b",state="unhealthy"} 1\n' in metrics
            assert b'facade_breaker_open{backend="b"} 0\n' in metrics
            explained = await facade.get("/explain?url=/", admin=True)
            assert b"is unhealthy: probe: status 500" in explained
            assert b'"breaker":"closed"' in explained


async def test_a_reload_keeps_the_health_of_an_unchanged_backend(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        text = table([ill.url, well.url], HEALTH_CHECK)
        async with facade_in_loop(text, tmp_path) as facade:
            ill.probe = status(500)
            await becomes(facade, "unhealthy", "healthy")
            facade.routes.write_text(text + "kill_switch: false\n")
            await eventually(lambda: facade.app.table.state.reloads == 1)
            assert await states(facade) == ["unhealthy", "healthy"]
            assert {await served_by(facade) for _ in range(4)} == {b"1"}
            # A changed backend is another one, but under the same rules its endpoints stay what they are.
            changed = table([ill.url, well.url], HEALTH_CHECK, "idle_timeout: 1s")
            facade.routes.write_text(changed)
            await eventually(lambda: facade.app.table.state.reloads == 2)
            await becomes(facade, "unhealthy", "healthy")
            probes = ill.probes
            await eventually(lambda: ill.probes > probes + 2)
            assert await states(facade) == ["unhealthy", "healthy"]


async def test_no_probe_follows_after_the_backend_has_left(tmp_path: Path) -> None:
    async with endpoints(2) as (left, stays):
        text = table([left.url], HEALTH_CHECK)
        async with facade_in_loop(text, tmp_path) as facade:
            await eventually(lambda: left.probes > 1)
            facade.routes.write_text(table([stays.url], HEALTH_CHECK))
            await eventually(lambda: stays.probes > 1)
            probes = left.probes
            await eventually(lambda: stays.probes > 4)
            assert left.probes == probes
    assert not [task for task in asyncio.all_tasks() if "HealthMonitor" in repr(task)]


async def test_probes_use_connections_of_their_own(tmp_path: Path) -> None:
    async with endpoints(1) as (only,):
        text = table([only.url], HEALTH_CHECK, "circuit_breakers: {max_connections: 1}")
        async with facade_in_loop(text, tmp_path) as facade:
            only.request = "frozen"
            held = asyncio.create_task(served_by(facade))
            await eventually(lambda: only.waiting == 1)
            probes = only.probes
            await eventually(lambda: only.probes > probes + 1)
            assert await states(facade) == ["healthy"]
            only.is_well()
            assert await held == b"0"


async def test_a_client_moves_away_from_an_unhealthy_endpoint(tmp_path: Path) -> None:
    async with endpoints(2) as both:
        urls = [each.url for each in both]
        text = table(urls, HEALTH_CHECK, "session_affinity: {cookie: node}")
        async with facade_in_loop(text, tmp_path) as facade:
            response = await facade.get("/")
            cookie = response.partition(b"Set-Cookie: ")[2].partition(b";")[0].decode()
            bound = int(response[-1:])
            assert await served_by(facade, f"cookie: {cookie}") == b"%d" % bound
            both[bound].probe = status(500)
            wanted = ["healthy", "healthy"]
            wanted[bound] = "unhealthy"
            await becomes(facade, *wanted)
            moved = await facade.get("/", f"cookie: {cookie}")
            assert moved.endswith(b"%d" % (1 - bound))
            assert b"Set-Cookie: node=" in moved
