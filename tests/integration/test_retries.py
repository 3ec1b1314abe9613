"""Retries to the same backend, on both tiers, over real sockets."""

import asyncio
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.ill_backend import IllBackend, ill_backends, status
from tests.support.origin import origin
from tests.support.ports import free_port
from tests.support.waiting import eventually

GET = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"


def table(url: str, retry: str, *more: str) -> str:
    return f"""\
version: 1
defaults: {{timeouts: {{connect: 5s, request: 20s}}}}
backends: {{b: "{url}"}}
routes: [{{name: all, backend_refs: b, retry: {{{retry}}}{"".join(f", {each}" for each in more)}}}]
"""


async def status_of(facade: RunningFacade) -> bytes:
    return (await facade.get("/"))[9:12]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("failure", "code", "attempts"),
    [
        pytest.param(status(503), b"503", 3, id="a listed status"),
        # The first of the four is the end of an idle connection, for all that is known (promise U6).
        pytest.param("reset", b"502", 4, id="a reset"),
    ],
)
async def test_a_read_is_sent_again(
    failure: bytes | str, code: bytes, attempts: int, tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"b") as (backend,):
        text = table(backend.url, "attempts: 2, codes: [503], backoff: 1ms")
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            backend.next = [failure, failure]
            assert await status_of(facade) == b"200"
            assert backend.seen == {"GET": 3}
            backend.how = failure
            assert await status_of(facade) == code
            assert backend.seen == {"GET": 3 + attempts}
            lines = await facade.log_lines(2)
            assert [line["attempts"] for line in lines] == [3, attempts]
            assert all("response_ok" not in line for line in lines)
            metrics = await facade.get("/metrics", admin=True)
            assert b'facade_retries_total{route="all",backend="b"} 4\n' in metrics


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("length", [5, 40_000], ids=["with its head", "after its head"])
async def test_a_write_that_may_have_been_received_is_not_sent_again(
    length: int, tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"b") as (backend,):
        text = table(backend.url, "attempts: 3, codes: [503], backoff: 1ms")
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            for failure, code in ((status(503), b"503"), ("reset", b"502")):
                backend.next = [failure]
                response = await facade.get("/", method="POST", body=b"x" * length)
                assert response[9:12] == code
            assert backend.seen == {"POST": 2}


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("length", [5, 40_000], ids=["with its head", "after its head"])
async def test_a_write_with_a_key_is_sent_again_with_its_body(
    length: int, tier: Tier, tmp_path: Path
) -> None:
    writes = "writes: {policy: dual_write, idempotency_key: idempotency-key}"
    async with ill_backends(b"b") as (backend,):
        text = table(backend.url, "attempts: 1, codes: [503], backoff: 1ms", writes)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            for failure in (status(503), "reset"):
                backend.next = [failure]
                body = b"y" * length
                response = await facade.get("/", "idempotency-key: k", method="POST", body=body)
                assert response[9:12] == b"200"
            assert [each.body for each in backend.requests] == [body] * 4
            backend.next = [status(503)]
            assert (await facade.get("/", method="POST", body=b"y"))[9:12] == b"503"


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_that_was_not_sent_is_tried_again(
    method: str, tier: Tier, tmp_path: Path
) -> None:
    port = free_port()
    text = table(f"http://127.0.0.1:{port}", "attempts: 10, backoff: 100ms")
    async with facade_in_loop(text, tmp_path, tier=tier) as facade:
        body = b"z" * 40_000 if method == "POST" else b""
        task = asyncio.create_task(facade.get("/", method=method, body=body))
        names = facade.app.slot.worker.names
        await eventually(lambda: any("retry" in name for name in names()))
        backend = IllBackend(b"b")
        async with origin(backend, port=port):
            assert (await task)[9:12] == b"200"
            assert [each.body for each in backend.requests] == [body]


@pytest.mark.parametrize("tier", TIERS)
async def test_all_attempts_together_have_the_time_of_the_request(
    tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"b") as (backend,):
        text = table(
            backend.url,
            "attempts: 10, backoff: 1ms",
            "timeouts: {request: 2s, backend_request: 900ms}",
        )
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            backend.how = "frozen"
            assert await status_of(facade) == b"504"
            assert 2 <= len(backend.requests) <= 3


@pytest.mark.parametrize("tier", TIERS)
async def test_a_budget_limits_the_retries_under_way(tier: Tier, tmp_path: Path) -> None:
    long = "timeouts: {request: 5m, total: 10m}"
    async with ill_backends(b"b") as (backend,):
        text = table(backend.url, "attempts: 1, codes: [503], backoff: 1m", long)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            backend.how = status(503)
            tasks = [asyncio.create_task(facade.send(GET)) for _ in range(8)]
            await eventually(lambda: sum(task.done() for task in tasks) == 5)
            assert {task.result()[9:12] for task in tasks if task.done()} == {b"503"}
            metrics = await facade.get("/metrics", admin=True)
            labels = b'route="all",backend="b",budget="retry"'
            assert b"facade_budget_exhausted_total{%b} 5\n" % labels in metrics
            loads = facade.app.forwarder.loads
            assert loads.of("all").retrying == 3
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await eventually(lambda: loads.of("all").active == 1)
            assert loads.of("all").retrying == 0


@pytest.mark.parametrize("tier", TIERS)
async def test_nothing_is_sent_again_after_a_byte_of_the_response(
    tier: Tier, tmp_path: Path
) -> None:
    begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"

    async with ill_backends(b"b") as (backend,):
        async with facade_in_loop(
            table(backend.url, "attempts: 3, backoff: 1ms"), tmp_path, tier=tier
        ) as facade:
            backend.next = [begun]
            task = asyncio.create_task(facade.get("/"))
            await eventually(lambda: backend.seen == {"GET": 1})
            assert backend.server is not None
            (await backend.server.connection()).reset()
            response = await task
            assert response.endswith(b"half")
            assert backend.seen == {"GET": 1}


@pytest.mark.parametrize("tier", TIERS)
async def test_a_client_that_leaves_during_the_pause_ends_the_request(
    tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"b") as (backend,):
        long = "timeouts: {request: 2m, total: 5m}"
        text = table(backend.url, "attempts: 1, codes: [503], backoff: 1m", long)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            backend.how = status(503)
            task = asyncio.create_task(facade.get("/"))
            await eventually(lambda: backend.seen == {"GET": 1})
            task.cancel()
            await asyncio.wait([task])
            (line,) = await facade.log_lines(1)
            assert (line["status"], line["reason"]) == (499, "client_gone")
            assert facade.app.forwarder.loads.of("all").active == 1
