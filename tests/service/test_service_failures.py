"""Responses when a store, the database or a client fails."""

import asyncio
import logging
import socket

import httpx
import pytest
from starlette.types import Message

from flightspecial_service.app import http_app
from flightspecial_service.errors import Exhausted, NotMigrated, TooSlow, Unavailable
from flightspecial_service.interface.http.messages import Request
from flightspecial_service.settings import Settings
from tests.service.fakes import BrokenSpecials, FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import serving
from tests.service.test_service_api import is_problem


class NeverReady:
    """The port `Readiness`: never ready."""

    async def check(self) -> None:
        raise NotMigrated("V2__x.sql was changed after it was applied")


def test_an_unexpected_error_is_a_500_without_internals_and_a_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = BrokenSpecials(RuntimeError("postgres://user:hush@db"))
    with serving(http_app(in_memory(store), http_dependencies(), Settings())) as client:
        response = client.get("/flightspecials?token=hush")
    is_problem(response, 500)
    assert "hush" not in response.text
    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "RuntimeError" in caplog.text
    assert vars(record)["path"] == "/flightspecials"


@pytest.mark.parametrize("error", [Unavailable("gone"), Exhausted("busy"), NotMigrated("not yet")])
def test_an_error_that_may_pass_has_retry_after(error: Unavailable) -> None:
    with serving(
        http_app(in_memory(BrokenSpecials(error)), http_dependencies(), Settings())
    ) as client:
        response = client.get("/flightspecials")
    is_problem(response, 503)
    assert response.headers["retry-after"] == "1"
    assert response.json()["detail"] == str(error)


def test_live_is_not_ready() -> None:
    with serving(
        http_app(in_memory(FakeSpecials()), http_dependencies(NeverReady()), Settings())
    ) as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        response = client.get("/readyz")
    is_problem(response, 503)
    assert "V2__x.sql" in response.json()["detail"]


async def test_a_body_that_does_not_arrive_times_out() -> None:
    async def nothing_comes() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("an event that is never set")

    scope = {"method": "POST", "headers": [(b"content-type", b"application/json")]}
    request = Request(scope, nothing_comes)
    with pytest.raises(TooSlow, match=r"within 0.01 seconds"):
        await request.json_body(timeout_s=0.01)


def test_a_client_that_disconnects_in_a_request_causes_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(http_app(in_memory(FakeSpecials()), http_dependencies(), Settings())) as client:
        send_half_a_request(client)
        assert client.get("/flightspecials").json() == []
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


def send_half_a_request(client: httpx.Client) -> None:
    """Send the head and the first byte of the body, then disconnect."""
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=10) as peer:
        peer.sendall(
            b"POST /flightspecials/1/header HTTP/1.1\r\nhost: x\r\n"
            b"content-type: application/json\r\ncontent-length: 10\r\n\r\n{"
        )
