"""The build label in header texts: shown, never stored, removed only where it is one."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from flightspecial_service.app import build
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql
from tests.service.service_runner import OPEN, eventually_ready, serving
from tests.service.test_service_api import change, headers_of

PLAIN = "London to Prague"
LISTS = ("/flightspecials", "/flightspecials?limit=20", "/travelbuddy/flightspecials")


@contextmanager
def replica(database: DatabaseSettings, number: str, shown: bool) -> Iterator[httpx.Client]:
    """A replica of this build."""
    settings = Settings(database=database, edge=OPEN, build=number, show_build=shown)
    with serving(build(settings, lambda: None)) as client:
        eventually_ready(client)
        yield client


@pytest.fixture
def canary(tables: DatabaseSettings) -> Iterator[httpx.Client]:
    """A replica of build 77, which shows its build."""
    with replica(tables, "77", shown=True) as client:
        yield client


@pytest.fixture
def stable(tables: DatabaseSettings) -> Iterator[httpx.Client]:
    """A replica of build 76 on the same database, which does not show its build."""
    with replica(tables, "76", shown=False) as client:
        yield client


def stored(tables: DatabaseSettings, number: int = 1) -> str:
    query = f"SELECT header FROM travelbuddy.flightspecial WHERE id = {number}"
    [[header]] = run_sql(tables, query)
    return str(header)


def write(client: httpx.Client, way: str, text: str) -> int:
    """Store the header text in one of three ways; return the id of the special."""
    if way == "header":
        response = change(client, 1, {"id": 1, "flightSpecialHeader": text})
    elif way == "patch":
        response = client.patch("/flightspecials/1", json={"header": text})
    else:
        response = client.post("/flightspecials", json={"header": text})
    assert response.status_code in (200, 201), response.text
    return int(response.json()["id"]) if way == "create" else 1


def test_the_build_is_in_every_header_text_and_in_x_build(canary: httpx.Client) -> None:
    one = canary.get("/flightspecials/1")
    assert (one.json()["header"], one.headers["x-build"]) == (f"[77] ==> {PLAIN}", "77")
    assert canary.get("/none").headers["x-build"] == "77"
    for path in LISTS:
        assert f"[77] ==> {PLAIN}" in [each["header"] for each in canary.get(path).json()]
    patched = canary.patch("/flightspecials/1", json={"cost": 1})
    assert patched.json()["header"] == f"[77] ==> {PLAIN}"


@pytest.mark.parametrize("way", ["header", "patch", "create"])
@pytest.mark.parametrize(
    ("reader", "writer"), [("canary", "canary"), ("canary", "stable"), ("stable", "canary")]
)
def test_a_text_read_from_one_replica_and_written_to_another_is_stored_plain(
    request: pytest.FixtureRequest, tables: DatabaseSettings, reader: str, writer: str, way: str
) -> None:
    read: httpx.Client = request.getfixturevalue(reader)
    text = headers_of(read)[1]
    number = write(request.getfixturevalue(writer), way, text)
    assert stored(tables, number) == PLAIN


@pytest.mark.parametrize("way", ["header", "patch", "create"])
@pytest.mark.parametrize("writer", ["canary", "stable"])
def test_255_characters_with_a_label_can_be_written_back(
    request: pytest.FixtureRequest, tables: DatabaseSettings, writer: str, way: str
) -> None:
    text = "가" * 255
    number = write(request.getfixturevalue(writer), way, f"[77] ==> {text}")
    assert stored(tables, number) == text


@pytest.mark.parametrize("way", ["header", "patch", "create"])
@pytest.mark.parametrize("text", ["[NEW] ==> sale", "[7.5] ==> x", "[77] => x", "x [77] ==> y"])
def test_what_is_no_label_is_stored_as_it_is(
    canary: httpx.Client, tables: DatabaseSettings, way: str, text: str
) -> None:
    assert stored(tables, write(canary, way, text)) == text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/flightspecials/1/header", {"id": 1, "flightSpecialHeader": "[77] ==> " + "x" * 256}),
        ("/flightspecials/1/header", {"id": 1, "flightSpecialHeader": "[77] ==> "}),
        ("/flightspecials", {"header": "[77] ==> " + "x" * 256}),
    ],
)
def test_a_text_that_is_too_long_or_empty_without_its_label_is_refused(
    canary: httpx.Client, path: str, body: dict[str, object]
) -> None:
    assert canary.post(path, json=body).status_code == 422


@pytest.mark.parametrize("path", ["/flightspecials/1", *LISTS])
def test_replicas_of_all_builds_have_the_same_tags(
    canary: httpx.Client, stable: httpx.Client, path: str
) -> None:
    shown, plain = canary.get(path), stable.get(path)
    assert shown.content != plain.content
    assert shown.headers["etag"] == plain.headers["etag"]
    # With equal tags a cache would keep the label of the build that filled it.
    assert shown.headers["cache-control"] == "no-store"
    assert "cache-control" not in plain.headers


def test_a_tag_of_one_replica_is_a_condition_at_another(
    canary: httpx.Client, stable: httpx.Client
) -> None:
    tag = canary.get("/flightspecials/1").headers["etag"]
    body = {"header": "new"}
    response = stable.patch("/flightspecials/1", json=body, headers={"if-match": tag})
    assert response.status_code == 200
    again = canary.patch("/flightspecials/1", json=body, headers={"if-match": tag})
    assert again.status_code == 412


def test_the_outcome_of_a_key_has_no_label(canary: httpx.Client, tables: DatabaseSettings) -> None:
    key = {"idempotency-key": "k"}
    response = canary.patch(
        "/flightspecials/1", json={"header": "[77] ==> [76] ==> twice"}, headers=key
    )
    assert response.json()["header"] == "[77] ==> twice"
    [[outcome]] = run_sql(tables, "SELECT outcome FROM travelbuddy.idempotency_key")
    assert "==>" not in outcome


@pytest.mark.parametrize(
    ("own", "text", "plain"),
    [
        pytest.param("", "[1] ==> x", "x", id="another numbered build"),
        pytest.param("2", "[1] ==> [2] ==> [1] ==> x", "x", id="several"),
        pytest.param("t4d5e6f", "[t4d5e6f] ==> x", "x", id="the own build, not a number"),
        pytest.param("a.c", "[abc] ==> x", "[abc] ==> x", id="a build is no pattern"),
        pytest.param("", "[] ==> x", "[] ==> x", id="no build"),
        pytest.param("", "[0] ==> x", "[0] ==> x", id="builds begin with 1"),
        pytest.param("", "[t4d5e6f] ==> x", "[t4d5e6f] ==> x", id="an unknown build"),
        pytest.param("", " [1] ==> x", " [1] ==> x", id="behind a blank"),
        pytest.param("", "[1] ==> \n[1] ==> x", "\n[1] ==> x", id="the beginning of the text only"),
    ],
)
def test_a_label_is_removed(own: str, text: str, plain: str) -> None:
    assert BuildLabel(own).removed_from(text) == plain
