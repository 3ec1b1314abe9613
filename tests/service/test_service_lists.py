"""Paging, filters, conditions and codings of the lists, over HTTP on real PostgreSQL."""

import gzip
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from flightspecial_service.app import http_app
from flightspecial_service.domain import Cursor, FlightSpecial
from flightspecial_service.interface.http.parameters import decode_cursor, encode_cursor
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql
from tests.service.fakes import FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import serving
from tests.service.test_service_api import change, is_problem

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def pages(client: httpx.Client, query: str) -> list[list[int]]:
    """The ids on each page, following the Link header to the end."""
    ids, address = [], f"/flightspecials/?{query}"
    while True:
        response = client.get(address)
        assert response.status_code == 200
        ids.append([each["id"] for each in response.json()])
        link = response.headers.get("link")
        if link is None:
            return ids
        [address] = re.findall(r'^<([^>]+)>; rel="next"$', link)


@pytest.mark.parametrize(
    ("limit", "sizes"), [(1, [1] * 11), (4, [4, 4, 3]), (11, [11]), (1000, [11])]
)
def test_pages_together_are_the_list(client: httpx.Client, limit: int, sizes: list[int]) -> None:
    listed = pages(client, f"limit={limit}")
    assert [len(page) for page in listed] == sizes
    whole = [each["id"] for each in client.get("/flightspecials").json()]
    assert [number for page in listed for number in page] == whole


def test_a_page_goes_on_behind_its_last_even_if_that_one_is_gone(
    client: httpx.Client, tables: DatabaseSettings
) -> None:
    table = "travelbuddy.flightspecial"
    run_sql(tables, f"UPDATE {table} SET expiry_date = '2031-01-01'::date + id::int")
    first = client.get("/flightspecials?limit=5")
    assert [each["id"] for each in first.json()] == [1, 2, 3, 4, 5]
    run_sql(
        tables,
        f"UPDATE {table} SET expiry_date = NULL WHERE id IN (2, 3)",
        f"DELETE FROM {table} WHERE id = 5",
    )
    rest = pages(client, first.links["next"]["url"].partition("?")[2])
    assert rest == [[6, 7, 8, 9, 10], [11, 2, 3]]


def test_filters_go_with_the_pages(client: httpx.Client, tables: DatabaseSettings) -> None:
    run_sql(tables, "UPDATE travelbuddy.flightspecial SET expiry_date = now() WHERE id = 7")
    assert pages(client, "origin=London") == [[1]]
    assert pages(client, "destination=CDG&origin=LHR") == [[1]]
    listed = [
        number for page in pages(client, "origin=ORG&unexpired=true&limit=2") for number in page
    ]
    assert sorted(listed) == [2, 3, 4, 5, 6, 8, 9, 10, 11]
    assert pages(client, "origin=Nowhere") == [[]]
    assert len(client.get("/flightspecials?unexpired=false&other=1").json()) == 11


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=1001", 422),
        ("limit=", 422),
        ("limit=-1", 422),
        ("limit=01", 422),
        ("limit=%D9%A1", 422),
        ("limit=1&limit=2", 422),
        ("cursor=W251bGwsMV0", 422),
        ("limit=1&cursor=", 422),
        ("limit=1&cursor=x", 422),
        ("limit=1&cursor=W251bGwsMF0", 422),
        ("limit=1&cursor=W251bGwsMV0=", 422),
        ("limit=1&cursor=WyAgbnVsbCwxXQ", 422),
        ("limit=1&cursor=%F0%9F%9B%AB", 422),
        ("unexpired=yes", 422),
        ("origin=", 422),
        ("origin=a%00b", 422),
        ("origin=" + "x" * 256, 422),
        ("origin=%FF", 400),
    ],
)
def test_a_bad_query_is_refused(client: httpx.Client, query: str, status: int) -> None:
    is_problem(client.get(f"/flightspecials?{query}"), status)


@pytest.mark.parametrize("expiry", [None, NOW, NOW + timedelta(microseconds=1)])
def test_a_cursor_is_decoded_as_it_was_encoded(expiry: datetime | None) -> None:
    cursor = Cursor(expiry, 7)
    assert decode_cursor(encode_cursor(cursor)) == cursor


@pytest.mark.parametrize(
    "path",
    [
        "/flightspecials",
        "/flightspecials?limit=3",
        "/flightspecials/1",
        "/travelbuddy/flightspecials",
    ],
)
def test_if_none_match_gets_a_304_until_the_content_changes(
    client: httpx.Client, path: str
) -> None:
    tag = client.get(path).headers["etag"]
    for sent in (tag, f'"x", W/{tag}', "*"):
        response = client.get(path, headers={"if-none-match": sent})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in response.headers
    for number in range(1, 12):
        change(client, number, {"id": number, "flightSpecialHeader": "another"})
    response = client.get(path, headers={"if-none-match": tag})
    assert response.status_code == 200
    assert response.headers["etag"] != tag


def test_a_tag_is_of_the_content_and_not_of_a_number(
    client: httpx.Client, tables: DatabaseSettings
) -> None:
    """After `clean` and `migrate` the versions of the specials begin with 1 again."""
    tag = client.get("/flightspecials/1").headers["etag"]
    run_sql(
        tables,
        "DELETE FROM travelbuddy.flightspecial",
        "INSERT INTO travelbuddy.flightspecial (id, header) VALUES (1, 'another')",
    )
    response = client.get("/flightspecials/1", headers={"if-none-match": tag})
    assert (response.status_code, response.json()["header"]) == (200, "another")
    assert client.get("/docs").headers["etag"] != '"1"'


@pytest.mark.parametrize("sent", ['"x"x', "x", "", ",", '"x', "*, *"])
def test_a_broken_list_of_tags_is_refused(client: httpx.Client, sent: str) -> None:
    is_problem(client.get("/flightspecials/1", headers={"if-none-match": sent}), 400)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.2, identity", None),
        ("gzip; q=nonsense", None),
        ("identity", None),
        ("", None),
    ],
)
def test_a_large_list_is_compressed_if_the_client_accepts_it(
    accept: str, coding: str | None
) -> None:
    specials = FakeSpecials(FlightSpecial(number, "header " * 9) for number in range(1, 101))
    with serving(
        http_app(in_memory(specials), http_dependencies(now=lambda: NOW), Settings())
    ) as client:
        plain = client.get("/flightspecials", headers={"accept-encoding": "identity"})
        with client.stream(
            "GET", "/flightspecials", headers={"accept-encoding": accept}
        ) as response:
            sent = b"".join(response.iter_raw())
        small = client.get("/flightspecials?limit=2")
    assert response.headers.get("content-encoding") == coding
    assert response.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert "vary" not in small.headers
    assert (gzip.decompress(sent) if coding else sent) == plain.content
    assert (response.headers["etag"] == plain.headers["etag"]) is (coding is None)
    assert "content-encoding" not in small.headers


def test_the_monoliths_list_follows_the_clock_both_ways() -> None:
    clock = [NOW]
    specials = FakeSpecials(
        FlightSpecial(number, "x", cost=1, expires_at=NOW + timedelta(hours=number))
        for number in (1, 2)
    )
    with serving(
        http_app(in_memory(specials), http_dependencies(now=lambda: clock[0]), Settings())
    ) as client:

        def listed(hours: float) -> list[int]:
            clock[0] = NOW + timedelta(hours=hours)
            return [each["id"] for each in client.get("/travelbuddy/flightspecials").json()]

        assert [listed(hours) for hours in (0, 0.9, 1, 1.5, 2, 5)] == [
            [1, 2],
            [1, 2],
            [2],
            [2],
            [],
            [],
        ]
        assert [listed(hours) for hours in (1.2, 0.5, -1, 3)] == [[2], [1, 2], [1, 2], []]
