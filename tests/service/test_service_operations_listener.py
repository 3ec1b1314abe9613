"""The operations listener: probes, metrics, versions, log level."""

import logging
import re
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from starlette.types import Message, Scope

from flightspecial_service import logs
from flightspecial_service.app import http_app, operations_app
from flightspecial_service.interface.http.connection import Limits
from flightspecial_service.server import Service
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.fakes import FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import (
    command,
    eventually_ready,
    process,
    serving_both,
    variables,
)
from tests.service.test_service_api import is_problem
from tests.service.test_service_connections import GET, connected, is_the_only_problem, sent
from tests.service.test_service_operations import metric


def in_memory_service() -> Service:
    """The service without a database, with its operations app."""
    parts, settings = http_dependencies(), Settings(build="42")
    app = http_app(in_memory(FakeSpecials()), parts, settings)
    return Service(app, operations_app(parts, settings, "6"), parts.telemetry)


@pytest.fixture
def both() -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with serving_both(in_memory_service()) as clients:
        yield clients


@pytest.fixture
def level_restored() -> Iterator[None]:
    before = logs.level()
    yield
    logs.set_level(before)


Both = tuple[httpx.Client, httpx.Client]


def test_operators_have_their_own_listener(both: Both) -> None:
    client, operator = both
    for path in ("/metrics", "/info", "/log-level"):
        assert operator.get(path).status_code == 200
        is_problem(client.get(path), 404)
    for path in ("/flightspecials", "/travelbuddy/flightspecials", "/docs"):
        is_problem(operator.get(path), 404)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_both_listeners_have_the_probes(both: Both, path: str) -> None:
    assert [each.get(path).status_code for each in both] == [200, 200]


def test_info_names_what_runs(both: Both) -> None:
    info = both[1].get("/info").json()
    assert (info["name"], info["build"], info["profile"]) == ("flightspecials", "42", "local")
    assert info["migration"] == "6"
    assert {"uvicorn", "starlette", "asyncpg", "msgspec"} <= set(info["packages"])
    numbers = [info["version"], info["python"], *info["packages"].values()]
    assert all(re.match(r"\d+\.\d+", each) for each in numbers)


def test_the_newest_migration_is_in_the_info(operator: httpx.Client) -> None:
    assert re.fullmatch(r"\d+(\.\d+)*", operator.get("/info").json()["migration"])


@pytest.mark.usefixtures("level_restored")
def test_the_log_level_changes_at_run_time(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    client, operator = both
    client.get("/flightspecials")
    assert "answered" not in caplog.text
    assert operator.put("/log-level", json={"level": "debug"}).json() == {"level": "debug"}
    client.get("/flightspecials")
    assert "answered" in caplog.text
    # At level debug botocore logs the secrets that it reads.
    assert not logging.getLogger("botocore").isEnabledFor(logging.DEBUG)
    is_problem(operator.put("/log-level", json={"level": "all"}), 422)
    assert operator.get("/log-level").json() == {"level": "debug"}


@pytest.mark.parametrize("client", [("10.0.0.7", 1), ("::ffff:10.0.0.7", 1), ("::2", 1), None])
async def test_another_machine_cannot_change_the_log_level(client: tuple[str, int] | None) -> None:
    scope: Scope = {
        "type": "http",
        "method": "PUT",
        "path": "/log-level",
        "headers": [(b"content-type", b"application/json")],
        "client": client,
    }
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b'{"level":"error"}'}

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    operations = in_memory_service().operations
    assert operations is not None
    await operations(scope, receive, send)
    assert statuses[0] == 403


@pytest.mark.usefixtures("level_restored")
def test_the_log_level_is_a_setting(database: DatabaseSettings) -> None:
    with process(variables(database, LOG_LEVEL="debug")) as (service, client):
        eventually_ready(client)
        client.get("/flightspecials")
        query = service.wait_for("a query")
        assert query["level"] == "debug"
        assert service.wait_for("answered")["level"] == "debug"


def test_operators_are_served_while_the_api_has_too_many_connections() -> None:
    service = in_memory_service()
    with serving_both(service, Limits(max_connections=1)) as (client, operator):
        with closing(connected(client)):
            is_the_only_problem(sent(client, GET), 503)
            assert operator.get("/healthz").status_code == 200
            assert metric(operator, 'flightspecials_http_refusals_total{status="503"}') == 1
            assert metric(operator, "flightspecials_http_connections") >= 1


def test_waits_and_queries_are_measured(client: httpx.Client, operator: httpx.Client) -> None:
    names = ("flightspecials_db_query_duration_seconds", "flightspecials_db_pool_wait_seconds")
    before = [metric(operator, f"{name}_count") for name in names]
    for _ in range(3):
        client.get("/flightspecials/1")
    after = [metric(operator, f"{name}_count") for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [3, 3]


def test_operators_see_the_drain_until_its_end(database: DatabaseSettings) -> None:
    with process(variables(database, DRAIN_S="600")) as (service, client):
        eventually_ready(client)
        with service.operator() as operator:
            service.popen.terminate()
            service.wait_for("draining")
            is_problem(operator.get("/readyz"), 503)
            assert operator.get("/metrics").status_code == 200
            service.popen.terminate()
            assert service.exit_status() == 0


def test_without_a_port_there_is_no_operations_listener(database: DatabaseSettings) -> None:
    with process(variables(database, OPS_PORT="")) as (service, client):
        eventually_ready(client)
        is_problem(client.get("/metrics"), 404)
        assert not [line for line in service.log if line["message"] == "serving operations"]


def test_both_listeners_on_one_port_are_refused(database: DatabaseSettings) -> None:
    done = command("serve", "--port", "18080", env=variables(database, OPS_PORT="18080"))
    assert done.returncode == 2
    assert done.stderr == "flightspecials: OPS_PORT must be another port than --port, not 18080\n"
