"""Unexpected errors in tasks and handlers: the log has the traceback, the client gets a 500."""

import asyncio
import contextlib
import logging
from typing import cast

import httpx
import pytest

from flightspecial_service.background.housekeeping import Housekeeping
from flightspecial_service.background.startup import Startup, backoff_s
from flightspecial_service.errors import Unavailable
from flightspecial_service.infrastructure.postgres.transactions import PgStore
from flightspecial_service.interface.http.messages import Request, Response
from flightspecial_service.interface.http.middleware import Drain, Middleware
from flightspecial_service.interface.http.resource import Resource
from flightspecial_service.telemetry import Telemetry


def logged_errors(caplog: pytest.LogCaptureFixture, message: str) -> list[BaseException | None]:
    """The exceptions that were logged with this message at level ERROR."""
    return [
        record.exc_info[1]
        for record in caplog.records
        if record.levelno == logging.ERROR and message in record.message and record.exc_info
    ]


async def test_a_start_that_fails_is_logged_and_stops_the_service(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault, refused = ValueError("a fault of ours"), list[str]()

    async def failing() -> None:
        raise fault

    startup = Startup(failing, lambda: refused.append("refused"))
    async with asyncio.timeout(5):
        await startup.run()
    assert logged_errors(caplog, "the start failed") == [fault]
    assert refused == ["refused"]
    assert "the start failed" in str(startup.missing)


async def test_a_start_that_waits_logs_each_reason_once(caplog: pytest.LogCaptureFixture) -> None:
    reasons = ["away", "away", "away", "read-only", "away"]

    async def failing() -> None:
        if reasons:
            raise Unavailable(reasons.pop(0))

    async with asyncio.timeout(20):
        await Startup(failing, lambda: None, lambda: 0.0).run()
    lines = [each.getMessage() for each in caplog.records if "not ready" in each.getMessage()]
    assert [line.split()[2] for line in lines] == ["away", "read-only", "away"]


async def test_housekeeping_that_fails_is_logged_each_time_and_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults, twice = [ValueError("first"), ValueError("second")], asyncio.Event()

    class Store:
        tries = 0

        async def remove_expired_keys(self) -> None:
            self.tries += 1
            if self.tries <= len(faults):
                raise faults[self.tries - 1]
            twice.set()

    task = asyncio.create_task(Housekeeping(cast(PgStore, Store()), 0.001).run())
    async with asyncio.timeout(5):
        await twice.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert logged_errors(caplog, "keys stay for now") == faults


async def test_a_request_that_fails_is_logged_and_gets_a_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault = ValueError("a fault of ours")

    async def failing(request: Request) -> Response:
        raise fault

    resource = Resource(Middleware(Telemetry(), Drain()), "/x", {"GET": failing})
    transport = httpx.ASGITransport(resource)
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        response = await client.get("/x")
    assert logged_errors(caplog, "a request failed") == [fault]
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "its log says why" in response.text
    assert "a fault of ours" not in response.text


@pytest.mark.parametrize(
    ("attempt", "draw", "delay_s"),
    [(0, 0.0, 0.05), (0, 1.0, 0.1), (1, 0.0, 0.1), (3, 0.5, 0.6), (5, 1.0, 2.0), (10**6, 0.0, 1.0)],
)
def test_the_start_is_retried_with_a_back_off(attempt: int, draw: float, delay_s: float) -> None:
    assert backoff_s(attempt, draw) == pytest.approx(delay_s)
