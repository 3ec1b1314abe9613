"""Outlier detection: endpoints whose requests fail are ejected, tried by one request, and come back."""

import asyncio
import time
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
from tests.integration.tls_site import Site
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.origin import ok, origin
from tests.support.ports import free_port
from tests.support.waiting import WITHIN_S, eventually

OUTLIERS = "outlier_detection: {consecutive_5xx: 3, base_ejection_time: 300ms, interval: 1s}"
LONG = "outlier_detection: {consecutive_5xx: 3, base_ejection_time: 1h}"
EAGER = "outlier_detection: {consecutive_5xx: 1, base_ejection_time: 1h}"


async def until_ejected(facade: RunningFacade, *wanted: str) -> None:
    """Send requests until the endpoints have these states."""
    # Not `asyncio.timeout`: in Python 3.11 `asyncio.wait_for`, in each request, may lose its cancellation.
    deadline = time.monotonic() + WITHIN_S
    while await states(facade) != list(wanted):
        assert time.monotonic() < deadline, "the endpoints did not come into these states in time"
        await served_by(facade)
    await becomes(facade, *wanted)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("how", "fields"),
    [
        pytest.param(status(500), (LONG,), id="responds with 500"),
        pytest.param("reset", (LONG,), id="resets"),
        pytest.param("frozen", (EAGER,), id="never responds"),
    ],
)
async def test_an_endpoint_whose_requests_fail_is_ejected(
    how: bytes | str, fields: tuple[str, ...], tier: Tier, tmp_path: Path
) -> None:
    async with endpoints(2) as (ill, well):
        async with facade_in_loop(
            table([ill.url, well.url], *fields), tmp_path, tier=tier
        ) as facade:
            ill.request = how
            await until_ejected(facade, "ejected", "healthy")
            shown = (await ready(facade))["endpoints"][0]["reason"]
            assert "consecutive failures" in shown
            before = ill.requests
            assert {await served_by(facade) for _ in range(4)} == {b"1"}
            assert ill.requests == before
            metrics = await facade.get("/metrics", admin=True)
            assert b'facade_ejections_total{backend="b"} 1\n' in metrics
            ill.is_well()


async def test_an_endpoint_that_refuses_connections_is_ejected(tmp_path: Path) -> None:
    async with endpoints(1) as (well,):
        text = table([f"http://127.0.0.1:{free_port()}", well.url], LONG)
        async with facade_in_loop(text, tmp_path) as facade:
            await until_ejected(facade, "ejected", "healthy")
            assert await served_by(facade) == b"0"


async def test_an_ejected_endpoint_comes_back_after_a_request_that_succeeds(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        async with facade_in_loop(table([ill.url, well.url], OUTLIERS), tmp_path) as facade:
            ill.request = status(500)
            await until_ejected(facade, "ejected", "healthy")
            await becomes(facade, "half_open", "healthy")
            await until_ejected(facade, "ejected", "healthy")  # A request tried it, and failed.
            ill.is_well()
            await until_ejected(facade, "healthy", "healthy")
            assert {await served_by(facade) for _ in range(4)} == {b"0", b"1"}


async def test_one_request_at_a_time_tries_an_ejected_endpoint(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        async with facade_in_loop(table([ill.url, well.url], OUTLIERS), tmp_path) as facade:
            ill.request = status(500)
            await until_ejected(facade, "ejected", "healthy")
            ill.request = "frozen"
            await becomes(facade, "half_open", "healthy")
            sent = [asyncio.create_task(served_by(facade)) for _ in range(10)]
            await eventually(lambda: ill.waiting == 1)
            await eventually(lambda: sum(task.done() for task in sent) == 9)
            assert ill.waiting == 1
            ill.is_well()
            assert sorted([await task for task in sent]) == [b"0"] + [b"1"] * 9
            await becomes(facade, "healthy", "healthy")


async def test_another_request_tries_it_when_the_client_of_the_first_has_left(
    tmp_path: Path,
) -> None:
    async with endpoints(2) as (ill, well):
        async with facade_in_loop(table([ill.url, well.url], OUTLIERS), tmp_path) as facade:
            ill.request = status(500)
            await until_ejected(facade, "ejected", "healthy")
            ill.request = "frozen"
            await becomes(facade, "half_open", "healthy")
            first = await _frozen_request(facade, ill)
            first.cancel()
            await asyncio.wait([first])
            ill.request = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n0"
            await until_ejected(facade, "healthy", "healthy")
            ill.is_well()


async def _frozen_request(facade: RunningFacade, ill: Endpoint) -> "asyncio.Task[bytes]":
    """A request that the endpoint holds."""
    held = ill.waiting
    async with asyncio.timeout(20):
        while True:
            task = asyncio.create_task(served_by(facade))
            while not (task.done() or ill.waiting > held):
                await asyncio.sleep(0.005)
            if not task.done():
                return task


async def test_the_only_endpoint_still_gets_requests_while_its_breaker_is_open(
    tmp_path: Path,
) -> None:
    async with endpoints(1) as (only,):
        async with facade_in_loop(table([only.url], OUTLIERS), tmp_path) as facade:
            only.request = status(500)
            await until_ejected(facade, "ejected")
            health = facade.app.forwarder.health
            assert health.current.breaker("b") == "open"
            assert await served_by(facade) == b"500"
            await eventually(lambda: health.current.breaker("b") == "half_open")
            only.is_well()
            assert await served_by(facade) == b"0"
            await eventually(lambda: health.current.breaker("b") == "closed")


async def test_a_half_open_breaker_is_open_for_others_while_a_request_tries(
    tmp_path: Path,
) -> None:
    async with endpoints(1) as (only,):
        async with facade_in_loop(table([only.url], OUTLIERS), tmp_path) as facade:
            only.request = status(500)
            await until_ejected(facade, "ejected")
            health = facade.app.forwarder.health
            only.request = "frozen"
            await eventually(lambda: health.current.breaker("b") == "half_open")
            health.begin_trial("b")
            task = asyncio.create_task(served_by(facade))
            await eventually(lambda: only.waiting == 1)
            assert health.current.breaker("b") == "open"
            task.cancel()
            await asyncio.wait([task])
            health.end_trial("b")
            await eventually(lambda: health.current.breaker("b") == "half_open")
            only.is_well()


async def test_a_probe_that_succeeds_ends_the_time_of_an_ejection(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        text = table([ill.url, well.url], LONG, f"health_check: {CHECK}")
        async with facade_in_loop(text, tmp_path) as facade:
            ill.is_ill(status(500))
            await becomes(facade, "unhealthy", "healthy")
            ill.is_well()
            await until_ejected(facade, "healthy", "healthy")


async def test_a_response_that_goes_on_counts_with_its_head(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        async with facade_in_loop(table([ill.url, well.url], OUTLIERS), tmp_path) as facade:
            ill.request = status(500)
            await until_ejected(facade, "ejected", "healthy")
            ill.request = "endless"
            await becomes(facade, "half_open", "healthy")
            streams = [asyncio.create_task(facade.get("/")) for _ in range(4)]
            await becomes(facade, "healthy", "healthy")
            for task in streams:
                task.cancel()
            await asyncio.wait(streams)
            ill.is_well()


async def test_requests_of_clients_that_leave_are_no_failures(tmp_path: Path) -> None:
    async with endpoints(1) as (only,):
        async with facade_in_loop(table([only.url], EAGER), tmp_path) as facade:
            only.request = "frozen"
            for _ in range(3):
                task = await _frozen_request(facade, only)
                task.cancel()
                await asyncio.wait([task])
                only.is_well()
                await eventually(lambda: not only.waiting)
                only.released.clear()
                only.request = "frozen"
            only.is_well()
            assert await served_by(facade) == b"0"
            assert await states(facade) == ["healthy"]


async def _seen(facade: RunningFacade, requests: int) -> None:
    """Wait until the outcomes of so many requests have been judged."""
    health = facade.app.slot.stats.health
    await eventually(
        lambda: sum(each.seen.requests for each in health.read().backends["b"].values()) >= requests
    )


async def test_a_request_that_met_the_fault_does_not_eject_an_endpoint_that_has_recovered(
    tmp_path: Path,
) -> None:
    async with endpoints(1) as (only,):
        text = table([only.url], EAGER, f"health_check: {CHECK}").replace(
            "request: 1s", "request: 1m"
        )
        async with facade_in_loop(text, tmp_path) as facade:
            only.request = "stuck"
            before = await _frozen_request(facade, only)
            only.probe = status(500)
            await becomes(facade, "unhealthy")
            in_panic = await _frozen_request(facade, only)
            only.probe, only.request = ok(), ok(b"0")
            await becomes(facade, "healthy")
            only.released.set()
            assert {await before, await in_panic} == {b"502"}
            # A good response would hide failures that are not judged yet.
            probes = only.probes
            await eventually(lambda: only.probes >= probes + 3)
            assert await served_by(facade) == b"0"
            await _seen(facade, 1)
            assert await states(facade) == ["healthy"]
            # Nor was it ejected for a moment: a probe that succeeds ends an ejection.
            metrics = await facade.get("/metrics", admin=True)
            assert b'facade_ejections_total{backend="b"} 0\n' in metrics
            # A request that is sent after the recovery counts.
            only.request = "reset"
            assert await served_by(facade) == b"502"
            await becomes(facade, "ejected")


async def test_a_connection_that_was_open_before_a_recovery_reports_failures_after_it(
    tmp_path: Path,
) -> None:
    async with endpoints(1) as (only,):
        text = table([only.url], EAGER, f"health_check: {CHECK}")
        async with facade_in_loop(text, tmp_path) as facade:
            assert await served_by(facade) == b"0"
            only.probe = status(500)
            await becomes(facade, "unhealthy")
            only.probe = ok()
            await becomes(facade, "healthy")
            only.request = status(500)
            assert await served_by(facade) == b"500"
            await becomes(facade, "ejected")


async def test_a_request_that_is_stuck_does_not_prevent_that_another_tries_the_endpoint(
    tmp_path: Path,
) -> None:
    async with endpoints(2) as (ill, well):
        text = table([ill.url, well.url], OUTLIERS).replace("request: 1s", "request: 1m")
        async with facade_in_loop(text, tmp_path) as facade:
            ill.request = "stuck"
            stuck = await _frozen_request(facade, ill)
            ill.request = status(500)
            await until_ejected(facade, "ejected", "healthy")
            ill.request = ok(b"0")
            await until_ejected(facade, "healthy", "healthy")
            assert not stuck.done()
            ill.released.set()
            assert await stuck == b"502"


async def test_slow_start_gives_an_endpoint_its_share_gradually(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        slow = "slow_start: {window: 1h, min_weight_percent: 10}"
        async with facade_in_loop(table([ill.url, well.url], OUTLIERS, slow), tmp_path) as facade:
            ill.request = status(500)
            await until_ejected(facade, "ejected", "healthy")
            ill.is_well()
            await until_ejected(facade, "healthy", "healthy")
            assert (await ready(facade))["endpoints"][0]["weight"] == 10
            served = [await served_by(facade) for _ in range(22)]
            assert served.count(b"0") == 2


async def test_https_endpoints_are_probed_and_ejected(tmp_path: Path) -> None:
    site, only = Site(tmp_path), Endpoint(b"0")
    async with origin(only, tls=site.server("localhost")) as server:
        rules = (EAGER, f"health_check: {CHECK}", "tls: {ca_file: ca.pem}")
        text = table([f"https://localhost:{server.port}"], *rules)
        async with facade_in_loop(text, tmp_path) as facade:
            await eventually(lambda: only.probes > 1)
            assert await served_by(facade) == b"0"
            assert await states(facade) == ["healthy"]
            only.request = status(500)
            assert await served_by(facade) == b"500"
            only.probe = status(500)
            await becomes(facade, "unhealthy")
            health = facade.app.slot.stats.health
            await eventually(
                lambda: all(each.is_ejected for each in health.read().backends["b"].values())
            )
            only.is_well()
            await until_ejected(facade, "healthy")
