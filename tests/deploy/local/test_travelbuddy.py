"""The stand-in for the monolith answers as the original does on the wire."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx
import pytest

from deploy.local.travelbuddy.app import travelbuddy
from deploy.local.travelbuddy.page import render
from deploy.local.travelbuddy.sessions import Sessions

ROOT = Path(__file__).parents[3]
START_MS = 1_800_000_000_000
FLIGHT = {
    "id": int,
    "header": str,
    "body": str,
    "origin": str,
    "originCode": str,
    "destination": str,
    "destinationCode": str,
    "cost": int,
    "expiryDate": int,
}
HOTEL = {
    "id": int,
    "hotel": str,
    "description": str,
    "location": str,
    "cost": int,
    "expiryDate": int,
}


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
    transport = httpx.ASGITransport(travelbuddy(clock, lambda: next(draws)))
    return httpx.AsyncClient(transport=transport, base_url="http://travelbuddy.example")


async def test_the_bare_context_leads_to_the_slash_at_the_host_that_was_asked(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/travelbuddy", headers={"host": "shop.example:8443"})
    assert answer.status_code == 302
    assert answer.headers["location"] == "http://shop.example:8443/travelbuddy/"


async def test_the_redirect_keeps_the_query(client: httpx.AsyncClient) -> None:
    answer = await client.get("/travelbuddy?from=mail&x=%20")
    assert answer.headers["location"] == "http://travelbuddy.example/travelbuddy/?from=mail&x=%20"


@pytest.mark.parametrize("host", ["[", "a/b?", "a b", "user@shop.example", "a:b"])
async def test_a_host_that_is_none_is_not_led_to(client: httpx.AsyncClient, host: str) -> None:
    answer = await client.get("/travelbuddy", headers={"host": host})
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_the_page_lets_nothing_in_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/travelbuddy/")
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    for forbidden in ("<script>", "<style", " style=", " onclick=", "http://", "https://"):
        assert forbidden not in answer.text


def test_what_a_row_says_is_text_on_the_page() -> None:
    row = {"id": 1, "header": "<b>x</b>", "body": None, "cost": 50, "expiryDate": START_MS}
    page = render([row], [])
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<b>x</b>" not in page


async def test_the_page_has_both_panels_with_their_boxes(client: httpx.AsyncClient) -> None:
    answer = await client.get("/travelbuddy/")
    assert answer.headers["content-type"].startswith("text/html")
    for part in (
        "<title>TravelBuddy - get traveling!</title>",
        "Today's flight specials",
        "Today's hotel specials",
        "London to Prague",
        "Groundhog Suites",
    ):
        assert part in answer.text
    assert len(re.findall(r'class="flighttime" data-expiry="\d{13}"', answer.text)) == 22


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("name", "fields"), [("flightspecials", FLIGHT), ("hotelspecials", HOTEL)])
async def test_a_list_has_its_fields_its_order_and_is_open_to_all(
    client: httpx.AsyncClient, name: str, fields: dict[str, type], slash: str
) -> None:
    answer = await client.get(f"/travelbuddy/{name}{slash}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    rows = answer.json()
    assert len(rows) == 11
    for row in rows:
        assert {key: type(value) for key, value in row.items()} == fields
    expiries = [row["expiryDate"] for row in rows]
    assert expiries == sorted(expiries)
    assert all(START_MS + 79_200 <= each <= START_MS + 20_079_200 for each in expiries)


async def test_a_person_sees_that_the_monolith_answered(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/travelbuddy/flightspecials")).json()
    assert all(row["body"].endswith(" (monolith)") for row in rows)
    codes = {row["header"]: (row["originCode"], row["destinationCode"]) for row in rows}
    assert codes.pop("London to Prague") == ("LHR", "CDG")
    assert set(codes.values()) == {("ORG", "DST")}


async def test_an_expired_special_is_gone_and_offered_anew_a_little_later(
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


async def test_costs_stay_in_their_bounds() -> None:
    transport = httpx.ASGITransport(travelbuddy(lambda: START_MS, lambda: 0.999999))
    async with httpx.AsyncClient(transport=transport, base_url="http://t.example") as dearest:
        flights = (await dearest.get("/travelbuddy/flightspecials")).json()
        hotels = (await dearest.get("/travelbuddy/hotelspecials")).json()
    assert sorted(row["cost"] for row in flights) == [249] * 8 + [549] * 3
    assert {row["cost"] for row in hotels} == {1049}


async def test_a_stack_that_is_up_for_a_day_still_shows_all(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    clock.ms += 24 * 3600 * 1000
    assert len((await client.get("/travelbuddy/flightspecials")).json()) == 11
    assert len((await client.get("/travelbuddy/hotelspecials")).json()) == 11


@pytest.mark.parametrize("path", ["/travelbuddy/health", "/travelbuddy/health/"])
async def test_health_is_ok(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).text == "OK"


async def test_a_session_is_given_once_and_kept(client: httpx.AsyncClient) -> None:
    first = await client.get("/travelbuddy/")
    assert re.fullmatch(
        r"JSESSIONID=[0-9A-F]{32}; Path=/travelbuddy; HttpOnly", first.headers["set-cookie"]
    )
    assert "set-cookie" not in (await client.get("/travelbuddy/flightspecials")).headers
    client.cookies.clear()
    forged = await client.get("/travelbuddy/", headers={"cookie": "JSESSIONID=" + "A" * 32})
    assert "A" * 32 not in forged.headers["set-cookie"]


def test_sessions_are_not_remembered_for_ever() -> None:
    ids = iter(range(20_000))
    sessions = Sessions(lambda: str(next(ids)))
    for _ in range(10_001):
        sessions.cookie_for(None)
    assert sessions.cookie_for("0") is not None
    assert sessions.cookie_for("10000") is None


@pytest.mark.parametrize(
    ("path", "kind", "begins"),
    [
        ("travelbuddy.css", "text/css", b":root"),
        ("travelbuddy.css/", "text/css", b":root"),
        ("icon.svg", "image/svg+xml", b"<svg"),
        ("images/sea.jpg", "image/jpeg", b"\xff\xd8\xff"),
    ],
)
async def test_resources_are_static_files(
    client: httpx.AsyncClient, path: str, kind: str, begins: bytes
) -> None:
    answer = await client.get(f"/travelbuddy/resources/{path}")
    assert answer.headers["content-type"].startswith(kind)
    assert answer.content.startswith(begins)


async def test_the_script_is_a_script_by_its_type(client: httpx.AsyncClient) -> None:
    answer = await client.get("/travelbuddy/resources/travelbuddy.js")
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in ("text/javascript", "application/javascript")  # Python 3.11 says the older one


async def test_images_have_the_weight_of_real_ones(client: httpx.AsyncClient) -> None:
    for image in ("sea", "mountains", "city", "beach", "dunes", "balloons"):
        answer = await client.get(f"/travelbuddy/resources/images/{image}.jpg")
        assert 100_000 < len(answer.content) < 300_000, image


async def test_every_image_of_the_page_is_there(client: httpx.AsyncClient) -> None:
    page = (await client.get("/travelbuddy/")).text
    links = set(re.findall(r'(?:src|href)="(/travelbuddy/resources/[^"]+)"', page))
    assert len(links) >= 9
    for link in links:
        assert (await client.get(link)).status_code == 200, link


async def test_a_qr_code_is_a_png_that_nobody_stores(client: httpx.AsyncClient) -> None:
    answer = await client.get("/travelbuddy/qrcodegen/200/hello")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"\x89PNG")
    width, height = (int.from_bytes(answer.content[at : at + 4], "big") for at in (16, 20))
    assert 150 <= width <= 200
    assert width == height


async def test_the_longest_text_fits_into_the_largest_code(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/travelbuddy/qrcodegen/1000/{'😀' * 500}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "0/a",
        "1001/a",
        "9999999/a",
        "00100999/a",
        pytest.param("00100" + "9" * 4400 + "/a", id="more digits than int takes"),
        "-1/a",
        "x/a",
        "٢٠٠/a",
        pytest.param("20/a", id="smaller than the smallest code"),
        pytest.param("200/" + "a" * 501, id="too long a text"),
    ],
)
async def test_a_qr_code_has_bounds(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/travelbuddy/qrcodegen/{path}")
    assert answer.status_code == 400
    assert re.search(r"<b>Message</b> th(e|is) (size|text) \w+", answer.text)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/flightspecials",
        "/travelbuddyX",
        "/travelbuddy/nope",
        "/travelbuddy/resources/",
        "/travelbuddy/resources/images",
        "/travelbuddy/resources/page.html",
        "/travelbuddy/resources/%2e%2e/app.py",
    ],
)
async def test_nothing_else_is_there(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "HTTP Status 404 – Not Found" in answer.text


@pytest.mark.parametrize("path", ["", "flightspecials", "hotelspecials/", "health"])
async def test_nothing_is_written_to(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(f"/travelbuddy/{path}")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["health", "resources/icon.svg", "nope"])
async def test_probes_and_files_make_no_session(client: httpx.AsyncClient, path: str) -> None:
    assert "set-cookie" not in (await client.get(f"/travelbuddy/{path}")).headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_as_a_process_and_ends_when_told(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local.travelbuddy", "--port", str(port)], cwd=ROOT
    )
    try:
        url = f"http://127.0.0.1:{port}/travelbuddy/health"
        until = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    assert answer.read() == b"OK"
                    break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--port", "70000"], ["--nope"]])
def test_a_wrong_command_line_is_one_sentence(arguments: list[str]) -> None:
    argv = [sys.executable, "-m", "deploy.local.travelbuddy", *arguments]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
