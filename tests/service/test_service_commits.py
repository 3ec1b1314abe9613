"""The connection to PostgreSQL ends during a COMMIT: the service cannot know whether it was committed."""

import httpx
import pytest
from msgspec.structs import replace

from flightspecial_service.app import build
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql
from tests.service.postgres_proxy import Cut, postgres_proxy
from tests.service.service_runner import OPEN, eventually, eventually_ready, serving
from tests.service.test_service_api import is_problem

ROUNDS = 20


def create(client: httpx.Client, name: str, **headers: str) -> httpx.Response:
    return client.post("/flightspecials", json={"header": name}, headers=headers)


def created(database: DatabaseSettings) -> list[tuple[str, int]]:
    """What is in the table beside the samples, past the proxy."""
    query = "SELECT header, id FROM travelbuddy.flightspecial WHERE id > 11 ORDER BY id"
    return [(header, number) for header, number in run_sql(database, query)]


def cut_and_repeated(database: DatabaseSettings, cut: Cut, rounds: int) -> None:
    """Cut the commit of each write, repeat the write with its key, then check the table."""
    acknowledged: list[tuple[str, int]] = []
    with postgres_proxy(database.host, database.port) as proxy:
        behind = replace(database, host="127.0.0.1", port=proxy.port)
        with serving(build(Settings(database=behind, edge=OPEN), lambda: None)) as client:
            eventually_ready(client)
            for number in range(rounds):
                name = f"{cut.name}-{number}"
                proxy.arm(cut)
                is_problem(create(client, name, **{"idempotency-key": name}), 503)
                acknowledged.append((name, repeated(client, name)))
        assert proxy.cuts == rounds
    assert created(database) == acknowledged


def repeated(client: httpx.Client, name: str) -> int:
    """Repeat the write until it is acknowledged, and once more; return the id."""
    responses: list[httpx.Response] = []

    def done() -> bool:
        responses.append(create(client, name, **{"idempotency-key": name}))
        assert responses[-1].status_code in (201, 503), responses[-1].text
        return responses[-1].status_code == 201

    eventually(done)
    assert create(client, name, **{"idempotency-key": name}).content == responses[-1].content
    number: int = responses[-1].json()["id"]
    return number


@pytest.mark.parametrize("cut", Cut, ids=lambda cut: cut.value)
def test_a_write_whose_commit_is_cut_is_done_once_when_it_is_repeated(
    database: DatabaseSettings, cut: Cut
) -> None:
    cut_and_repeated(database, cut, ROUNDS)


@pytest.mark.soak
@pytest.mark.parametrize("cut", Cut, ids=lambda cut: cut.value)
def test_a_thousand_commits_are_cut_and_none_is_done_twice(
    database: DatabaseSettings, cut: Cut
) -> None:
    cut_and_repeated(database, cut, 334)


@pytest.mark.parametrize(("cut", "rows"), [(Cut.BEFORE, 0), (Cut.AFTER, 1)])
def test_the_service_itself_repeats_no_commit(
    database: DatabaseSettings, cut: Cut, rows: int
) -> None:
    """Without a key the client gets a 503 only, and the write has no effect or one."""
    with postgres_proxy(database.host, database.port) as proxy:
        behind = replace(database, host="127.0.0.1", port=proxy.port)
        with serving(build(Settings(database=behind, edge=OPEN), lambda: None)) as client:
            eventually_ready(client)
            proxy.arm(cut)
            is_problem(create(client, "once"), 503)
    assert proxy.cuts == 1
    assert len(created(database)) == rows
