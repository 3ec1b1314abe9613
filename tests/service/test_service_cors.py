"""CORS for the service's own API."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from flightspecial_service.app import http_app
from flightspecial_service.domain import FlightSpecial
from flightspecial_service.settings import EdgeSettings, Settings
from tests.service.fakes import FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import serving
from tests.service.test_service_api import is_problem

SHOP = "https://shop.example"
PREFLIGHT = {
    "origin": SHOP,
    "access-control-request-method": "PATCH",
    "access-control-request-headers": "authorization,content-type,idempotency-key,if-match",
}


@contextmanager
def service(*origins: str) -> Iterator[httpx.Client]:
    edge = EdgeSettings(special_writes=True, cors_origins=origins)
    stores = in_memory(FakeSpecials([FlightSpecial(1, "x")]))
    with serving(http_app(stores, http_dependencies(), Settings(edge=edge))) as client:
        yield client


def test_without_origins_no_page_of_another_one_may_read() -> None:
    with service() as client:
        is_problem(client.options("/flightspecials/1", headers=PREFLIGHT), 405)
        response = client.get("/flightspecials/1", headers={"origin": SHOP})
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("origins", "allowed"), [((SHOP, "http://localhost:3000"), SHOP), (("*",), "*")]
)
def test_a_page_of_an_allowed_origin_may_read_and_write(
    origins: tuple[str, ...], allowed: str
) -> None:
    with service(*origins) as client:
        preflight = client.options("/flightspecials/1", headers=PREFLIGHT)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == allowed
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        for path, status in (("/flightspecials/1", 200), ("/flightspecials/9", 404)):
            response = client.get(path, headers={"origin": SHOP})
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == allowed
            assert "ETag" in response.headers["access-control-expose-headers"]


def test_another_origin_is_refused_and_caches_know_that_it_matters() -> None:
    with service(SHOP) as client:
        other = {"origin": "https://other.example"}
        assert client.options("/flightspecials/1", headers=PREFLIGHT | other).status_code == 400
        response = client.get("/flightspecials", headers=other)
        assert "access-control-allow-origin" not in response.headers
        assert "Origin" in response.headers["vary"]


def test_the_monoliths_path_keeps_the_rules_of_the_monolith() -> None:
    with service(SHOP) as client:
        headers = {"origin": "https://other.example"}
        response = client.get("/travelbuddy/flightspecials", headers=headers)
        assert response.headers["access-control-allow-origin"] == "*"
