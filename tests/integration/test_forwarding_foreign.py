"""A facade whose backend is reached over httpx's own transport. respx stands in for the network below it."""

import gzip
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import respx

from proxy.server.settings import Tier
from tests.integration.tables import one_backend
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.raw_response import body_of, is_complete, status_of

LEGACY = "http://legacy.example:8082"


@pytest.fixture
def network() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=LEGACY, assert_all_called=False) as router:
        yield router


@pytest.fixture(params=TIERS)
async def facade(
    request: pytest.FixtureRequest, network: respx.MockRouter, tmp_path: Path
) -> AsyncIterator[RunningFacade]:
    tier: Tier = request.param
    async with httpx.AsyncHTTPTransport() as transport:
        async with facade_in_loop(
            one_backend(LEGACY), tmp_path, tier=tier, transports={"legacy": transport}
        ) as running:
            yield running


async def test_a_request_reaches_the_network_as_it_was_sent(
    facade: RunningFacade, network: respx.MockRouter
) -> None:
    route = network.post("/a%2Fb", params={"c": "1 2"}, headers={"x-own": "1"}, content=b"hello")
    route.respond(201, headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")], content=b"made")
    response = await facade.get("/a%2Fb?c=1%202", "x-own: 1", method="POST", body=b"hello")
    assert (status_of(response), body_of(response)) == (201, b"made")
    assert b"set-cookie: a=1\r\nset-cookie: b=2\r\n" in response
    sent = route.calls.last.request
    assert route.call_count == 1
    assert sent.url.raw_path == b"/a%2Fb?c=1%202"
    assert sent.headers["host"] == "facade.example"
    assert sent.headers["x-forwarded-host"] == "facade.example"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (httpx.ConnectError, 502, b"unreachable"),
        (httpx.ProxyError, 502, b"unreachable"),
        (httpx.UnsupportedProtocol, 502, b"unreachable"),
        (httpx.ConnectTimeout, 504, b"connect_timeout"),
        (httpx.PoolTimeout, 503, b"busy"),
        (httpx.ReadTimeout, 504, b"timeout"),
        (httpx.WriteTimeout, 504, b"timeout"),
        (httpx.ReadError, 502, b"broke"),
        (httpx.WriteError, 502, b"broke"),
        (httpx.CloseError, 502, b"broke"),
        (httpx.RemoteProtocolError, 502, b"broke"),
        (httpx.LocalProtocolError, 502, b"broke"),
    ],
)
async def test_a_failure_of_the_network_is_a_problem_and_no_second_request(
    facade: RunningFacade,
    network: respx.MockRouter,
    error: type[httpx.TransportError],
    status: int,
    reason: bytes,
) -> None:
    route = network.post("/").mock(side_effect=error("boom"))
    response = await facade.get("/", method="POST", body=b"x")
    assert (status_of(response), route.call_count) == (status, 1)
    assert b'"reason": "%b"' % reason in body_of(response)
    assert b"application/problem+json" in response
    assert facade.app.upstream_stats()["legacy"].in_flight == 0


async def test_a_redirect_of_the_backend_is_the_clients_to_follow(
    facade: RunningFacade, network: respx.MockRouter
) -> None:
    route = network.get("/").respond(302, headers={"location": f"{LEGACY}/elsewhere"})
    assert status_of(await facade.get("/")) == 302
    assert route.call_count == 1


async def test_an_encoded_body_stays_encoded(
    facade: RunningFacade, network: respx.MockRouter
) -> None:
    packed = gzip.compress(b"hello")
    network.get("/").respond(200, headers={"content-encoding": "gzip"}, content=packed)
    response = await facade.get("/")
    assert b"content-encoding: gzip\r\n" in response
    assert body_of(response) == packed


async def test_a_cookie_of_one_client_is_not_sent_for_the_next(
    facade: RunningFacade, network: respx.MockRouter
) -> None:
    route = network.get("/").respond(200, headers={"set-cookie": "session=alice; Path=/"})
    for _ in range(2):
        await facade.get("/")
    assert [("cookie" in call.request.headers) for call in route.calls] == [False, False]


class Broken(httpx.AsyncByteStream):
    """A body of which only the beginning comes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"half"
        raise httpx.ReadError("cut")


async def test_a_response_that_breaks_off_does_not_look_complete(
    facade: RunningFacade, network: respx.MockRouter
) -> None:
    network.get("/").mock(return_value=httpx.Response(200, stream=Broken()))
    response = await facade.get("/")
    assert b"half" in response
    assert not is_complete(response)
    (line,) = await facade.log_lines(1)
    assert (line["status"], line["complete"], line["reason"]) == (200, False, "broke")
