"""The monolith's contract at `/travelbuddy/flightspecials`, as its clients rely on it."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from msgspec.structs import replace

from flightspecial_service.app import build, http_app
from flightspecial_service.domain import FlightSpecial
from flightspecial_service.errors import Exhausted, NotMigrated, Unavailable
from flightspecial_service.infrastructure.postgres.connector import connect
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql
from tests.service.fakes import BrokenSpecials, FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import DEADLINE_S, eventually, eventually_ready, serving

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1.5)
PATH = "/travelbuddy/flightspecials"
ORIGIN = {"origin": "http://ui.example"}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "GET"}
VARY = ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]
SPECIALS = (
    FlightSpecial(9, "<b>&'한국\u2028\U0001f6eb/\x7f", cost=0, expires_at=SOON),
    FlightSpecial(4, 'q"\\u001b\\\x1b\x0b\n', "body", "London", "LHR", "Paris", "CDG", -5, SOON),
    FlightSpecial(1, "expired", cost=1, expires_at=NOW),
    FlightSpecial(2, "without a price", expires_at=SOON),
    FlightSpecial(3, "without an expiry", cost=1),
)
BODY = (
    r'[{"id":4,"header":"q\"\\u001b\\\u001B\u000B\n","body":"body","cost":-5,"expiryDate":1893456001500,'
    '"origin":"London","originCode":"LHR","destination":"Paris","destinationCode":"CDG"},'
    '{"id":9,"header":"<b>&\'한국\u2028\U0001f6eb/\x7f","body":null,"cost":0,"expiryDate":1893456001500,'
    '"origin":null,"originCode":null,"destination":null,"destinationCode":null}]'
)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client for a service with these specials."""
    app = http_app(
        in_memory(FakeSpecials(SPECIALS)), http_dependencies(now=lambda: NOW), Settings()
    )
    with serving(app) as client:
        yield client


def cors_fields(response: httpx.Response) -> dict[str, str]:
    """The CORS fields of the response, without their common prefix."""
    prefix = "access-control-"
    names = [name for name in response.headers if name.startswith(prefix)]
    return {name.removeprefix(prefix): response.headers[name] for name in names}


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_the_body_has_the_bytes_of_the_monoliths(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.content == BODY.encode()


def test_an_empty_list_is_an_empty_array() -> None:
    with serving(http_app(in_memory(FakeSpecials()), http_dependencies(), Settings())) as client:
        assert client.get(PATH).content == b"[]"


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH};jsessionid=0A1B",
        f"{PATH};a=1;b",
        f"{PATH}/;jsessionid=0A1B",
        f"{PATH};a=1/",
        "/travelbuddy;a=1/flightspecials",
        "/travelbuddy/flight%73pecials;a=%3B%2F",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_path_parameters_are_ignored(client: httpx.Client, method: str, path: str) -> None:
    expected = client.request(method, PATH)
    response = client.request(method, path)
    assert (response.status_code, response.content) == (200, expected.content)


@pytest.mark.parametrize("path", [f"{PATH}%3Ba=1", f"{PATH}x;a=1", "/flightspecials;a=1"])
def test_other_paths_have_no_parameters(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_any_origin_may_read_if_there_is_one(client: httpx.Client, method: str) -> None:
    with_origin, without = (
        client.request(method, PATH, headers=ORIGIN),
        client.request(method, PATH),
    )
    assert cors_fields(with_origin) == {"allow-origin": "*"}
    assert cors_fields(without) == {}
    assert with_origin.headers.get_list("vary") == without.headers.get_list("vary") == VARY


def test_a_large_list_varies_by_its_coding_as_well() -> None:
    specials = FakeSpecials(
        FlightSpecial(number, "x", cost=1, expires_at=SOON) for number in range(1, 101)
    )
    app = http_app(in_memory(specials), http_dependencies(now=lambda: NOW), Settings())
    with serving(app) as client:
        assert client.get(PATH).headers.get_list("vary") == ["Accept-Encoding", *VARY]


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        pytest.param({}, None, id="no header field"),
        pytest.param({"access-control-request-headers": ""}, None, id="an empty list"),
        pytest.param(
            {"access-control-request-headers": "content-type"}, "content-type", id="one field"
        ),
        pytest.param(
            {"access-control-request-headers": "content-type,,x-a , X-B"},
            "content-type, x-a, X-B",
            id="several",
        ),
    ],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH};jsessionid=1"])
def test_a_preflight_allows_get_and_the_header_fields(
    client: httpx.Client, path: str, asked: dict[str, str], allowed: str | None
) -> None:
    response = client.options(path, headers=PREFLIGHT | asked)
    assert (response.status_code, response.content) == (200, b"")
    expected = {"allow-origin": "*", "allow-methods": "GET", "max-age": "1800"}
    assert cors_fields(response) == expected | ({"allow-headers": allowed} if allowed else {})
    assert response.headers.get_list("vary") == VARY
    assert response.headers["content-length"] == "0"


@pytest.mark.parametrize("method", ["POST", "DELETE", "HEAD", "get"])
def test_a_preflight_for_another_method_is_refused(client: httpx.Client, method: str) -> None:
    response = client.options(PATH, headers=PREFLIGHT | {"access-control-request-method": method})
    assert (response.status_code, response.content) == (403, b"Invalid CORS request")
    assert cors_fields(response) == {}
    assert response.headers.get_list("vary") == VARY


@pytest.mark.parametrize("headers", [{}, {"access-control-request-method": "GET"}, ORIGIN])
def test_options_without_a_preflight_names_the_methods(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    response = client.options(PATH, headers=headers)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["allow"] == "GET,HEAD,OPTIONS"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("*", 200),
        ("application/json", 200),
        ("Application/JSON;charset=UTF-8", 200),
        ("application/*;q=0.1", 200),
        ("application/problem+json", 200),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 200),
        ("text/html, image/gif, image/jpeg, *; q=.2", 200),
        ("text/html", 406),
        ("application/xml", 406),
        ("image/png, text/*", 406),
        ("application/jsonx", 406),
    ],
)
def test_accept_without_json_is_not_acceptable(
    client: httpx.Client, accept: str, status: int
) -> None:
    response = client.get(PATH, headers={"accept": accept, **ORIGIN})
    assert response.status_code == status
    if status != 200:
        is_empty_error(response, status)


def test_a_request_without_accept_gets_the_list(client: httpx.Client) -> None:
    request = client.build_request("GET", PATH)
    del request.headers["accept"]
    assert client.send(request).content == BODY.encode()


def is_empty_error(response: httpx.Response, status: int) -> None:
    """Assert that a page of another origin can read the error, and finds no JSON in it."""
    assert (response.status_code, response.content) == (status, b"")
    assert "content-type" not in response.headers
    assert response.headers["content-length"] == "0"
    assert cors_fields(response) == {"allow-origin": "*"}
    assert response.headers.get_list("vary") == VARY


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable("gone"), 503),
        (Exhausted("busy"), 503),
        (NotMigrated("not yet"), 503),
        (RuntimeError("a bug"), 500),
    ],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH};jsessionid=1"])
def test_a_failure_of_the_store_has_no_body(error: Exception, status: int, path: str) -> None:
    app = http_app(in_memory(BrokenSpecials(error)), http_dependencies(), Settings())
    with serving(app) as client:
        response = client.get(path, headers=ORIGIN)
        assert client.options(path, headers=PREFLIGHT).status_code == 200
    is_empty_error(response, status)
    assert response.headers.get("retry-after") == ("1" if status == 503 else None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", PATH, 405),
        ("PUT", f"{PATH}/", 405),
        ("PROPFIND", PATH, 405),
        ("GET", f"{PATH}/1", 404),
        ("GET", f"{PATH}x", 404),
        ("OPTIONS", f"{PATH}/1", 404),
        ("GET", "/travelbuddy", 404),
        ("GET", "/travelbuddy/", 404),
        ("POST", "/travelbuddy/hotelspecials;a=1", 404),
    ],
)
def test_an_error_below_the_monoliths_path_has_no_body(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    response = client.request(method, path, headers=ORIGIN)
    is_empty_error(response, status)
    if status == 405:
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_malformed_tag_has_no_body(client: httpx.Client) -> None:
    is_empty_error(client.get(PATH, headers={"if-none-match": "x", **ORIGIN}), 400)


def test_without_a_server_there_is_no_body(database: DatabaseSettings) -> None:
    settings = Settings(database=replace(database, port=1))
    with serving(build(settings, lambda: None)) as client:
        response = client.get(PATH, headers=ORIGIN)
    is_empty_error(response, 503)
    assert response.headers["retry-after"] == "1"


def test_without_a_free_connection_there_is_no_body(database: DatabaseSettings) -> None:
    settings = replace(database, pool_size=1, acquire_timeout_s=0.2, command_timeout_s=60)
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with (
        serving(build(Settings(database=settings), lambda: None)) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        eventually_ready(client)
        with locked_table(database):
            held = thread.submit(client.get, PATH, headers=ORIGIN)
            eventually(lambda: run_sql(database, waiting)[0][0] == 1)
            response = client.get(PATH, headers=ORIGIN)
        assert held.result(DEADLINE_S).status_code == 200
    is_empty_error(response, 503)


@contextmanager
def locked_table(database: DatabaseSettings) -> Iterator[None]:
    """Lock the specials against reads, in a session of its own."""
    holding, done = threading.Event(), threading.Event()

    async def hold() -> None:
        session = await connect(database)
        async with session.transaction():
            await session.execute("LOCK travelbuddy.flightspecial")
            holding.set()
            await asyncio.to_thread(done.wait, DEADLINE_S)
        await session.close()

    with ThreadPoolExecutor(1) as thread:
        held = thread.submit(asyncio.run, hold())
        assert holding.wait(DEADLINE_S)
        try:
            yield
        finally:
            done.set()
            held.result(DEADLINE_S)
