"""The stand-in's page, rows, sessions and files, with a clock and draws of the test."""

import re

import httpx
import pytest

from deploy.local.travelbuddy.app import travelbuddy
from deploy.local.travelbuddy.page import render
from deploy.local.travelbuddy.sessions import Sessions

START_MS = 1_800_000_000_000


class Clock:
    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> httpx.AsyncClient:
    # Neither rising nor falling: rows as they were made are not in order of expiry.
    draws = iter(x * 617 % 1000 / 1000 for x in range(1000))
    transport = httpx.ASGITransport(travelbuddy(now_ms=clock, draw=lambda: next(draws)))
    return httpx.AsyncClient(transport=transport, base_url="http://travelbuddy.example")


@pytest.mark.parametrize("path", ["", "app/"])
async def test_a_page_takes_nothing_from_elsewhere(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(f"/travelbuddy/{path}")
    for forbidden in ("<script>", "<style", " style=", " onclick=", "http://", "https://"):
        assert forbidden not in response.text


def test_what_a_row_says_is_text_on_the_page() -> None:
    row = {"id": 1, "header": "<b>x</b>", "body": None, "cost": 50, "expiryDate": START_MS}
    page = render([row], [], "")
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<b>x</b>" not in page


async def test_the_page_has_both_panels_with_their_boxes(client: httpx.AsyncClient) -> None:
    response = await client.get("/travelbuddy/")
    assert response.headers["content-type"] == "text/html;charset=UTF-8"
    assert response.headers["content-language"] == "en"
    assert "content-length" not in response.headers
    for part in (
        "<title>TravelBuddy - get traveling!</title>",
        "Today's flight specials",
        "Today's hotel specials",
        "London to Prague",
        "Groundhog Suites",
    ):
        assert part in response.text
    empty = re.findall(r'<span class="flighttime" data-expiry="\d{13}"></span>', response.text)
    assert len(empty) == 22


async def test_the_page_and_the_lists_show_the_same_rows(client: httpx.AsyncClient) -> None:
    page = (await client.get("/travelbuddy/")).text
    for name in ("flightspecials", "hotelspecials"):
        for row in (await client.get(f"/travelbuddy/{name}")).json():
            assert f'data-expiry="{row["expiryDate"]}"' in page
            assert f">${row['cost']}<" in page


async def test_the_rows_are_on_sale_for_as_long_as_those_of_the_original(
    client: httpx.AsyncClient,
) -> None:
    for name in ("flightspecials", "hotelspecials"):
        for row in (await client.get(f"/travelbuddy/{name}")).json():
            assert START_MS + 79_200 <= row["expiryDate"] <= START_MS + 20_079_200


async def test_a_page_shows_that_it_comes_from_the_monolith(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/travelbuddy/flightspecials")).json()
    assert all(row["body"].endswith(" (monolith)") for row in rows)
    codes = {row["header"]: (row["originCode"], row["destinationCode"]) for row in rows}
    assert codes.pop("London to Prague") == ("LHR", "CDG")
    assert set(codes.values()) == {("ORG", "DST")}


async def test_rows_that_expire_together_are_in_order_of_their_ids() -> None:
    transport = httpx.ASGITransport(travelbuddy(now_ms=lambda: START_MS, draw=lambda: 0.5))
    async with httpx.AsyncClient(transport=transport, base_url="http://t.example") as client:
        rows = (await client.get("/travelbuddy/flightspecials")).json()
    assert [row["id"] for row in rows] == list(range(1, 12))


async def test_an_expired_special_is_gone_and_offered_again_a_little_later(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    first = (await client.get("/travelbuddy/flightspecials")).json()[0]
    clock.ms = first["expiryDate"] - 1
    assert first in (await client.get("/travelbuddy/flightspecials")).json()
    clock.ms = first["expiryDate"]
    left = (await client.get("/travelbuddy/flightspecials")).json()
    assert first["id"] not in [row["id"] for row in left]
    clock.ms += 5_000
    again = (await client.get("/travelbuddy/flightspecials")).json()
    assert first["id"] in [row["id"] for row in again]


async def test_seven_flights_cost_up_to_500_and_hotels_up_to_1000_more_than_the_least() -> None:
    app = travelbuddy(now_ms=lambda: START_MS, draw=lambda: 0.999999)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t.example") as dearest:
        flights = (await dearest.get("/travelbuddy/flightspecials")).json()
        hotels = (await dearest.get("/travelbuddy/hotelspecials")).json()
    assert sorted(row["cost"] for row in flights) == [249] * 4 + [549] * 7
    assert {row["cost"] for row in hotels} == {1049}


async def test_a_stack_that_is_up_for_a_day_still_shows_all(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    clock.ms += 24 * 3600 * 1000
    assert len((await client.get("/travelbuddy/flightspecials")).json()) == 11
    assert len((await client.get("/travelbuddy/hotelspecials")).json()) == 11


def test_sessions_are_not_remembered_for_ever() -> None:
    ids = iter(range(20_000))
    sessions = Sessions(lambda: str(next(ids)))
    for _ in range(10_001):
        sessions.session(None, None)
    assert sessions.session("0", None).set_cookie is not None
    assert sessions.session("10000", None).set_cookie is None


@pytest.mark.parametrize(
    ("path", "kind", "begins"),
    [
        ("css/base.css", "text/css", b":root"),
        ("css/base.css/", "text/css", b":root"),
        ("icon.svg", "image/svg+xml", b"<svg"),
        ("images/sea.jpg", "image/jpeg", b"\xff\xd8\xff"),
    ],
)
async def test_resources_are_static_files(
    client: httpx.AsyncClient, path: str, kind: str, begins: bytes
) -> None:
    response = await client.get(f"/travelbuddy/resources/{path}")
    assert response.headers["content-type"].startswith(kind)
    assert response.content.startswith(begins)


@pytest.mark.parametrize("path", ["js/page.js", "app/app.js"])
async def test_a_script_is_a_script_by_its_type(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(f"/travelbuddy/resources/{path}")
    kind = response.headers["content-type"].partition(";")[0]
    assert kind in ("text/javascript", "application/javascript")  # Python 3.11 says the older one


async def test_images_have_the_weight_of_real_ones(client: httpx.AsyncClient) -> None:
    for image in ("sea", "mountains", "city", "beach", "dunes", "balloons"):
        response = await client.get(f"/travelbuddy/resources/images/{image}.jpg")
        assert 100_000 < len(response.content) < 300_000, image


@pytest.mark.parametrize(("path", "least"), [("", 11), ("app/", 5)])
async def test_every_file_that_a_page_names_is_there(
    client: httpx.AsyncClient, path: str, least: int
) -> None:
    page = (await client.get(f"/travelbuddy/{path}")).text
    links = set(re.findall(r'(?:src|href)="(/travelbuddy/resources/[^"]+)"', page))
    assert len(links) >= least
    for link in links:
        assert (await client.get(link)).status_code == 200, link
