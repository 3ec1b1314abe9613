"""Metrics, ids in the log, slow queries, limits in the server, shutdown under load."""

import re
import signal
import socket
import threading

import httpx
import pytest
from msgspec.structs import replace

from flightspecial_service.infrastructure.postgres.database import Database
from flightspecial_service.settings import DatabaseSettings
from flightspecial_service.tracing import read_ids
from tests.service.conftest import run_sql
from tests.service.service_runner import eventually, eventually_ready, process, variables
from tests.service.test_service_api import is_problem

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def metric(operator: httpx.Client, name: str) -> float:
    """The value of one sample on the operations listener; 0 if there is none yet."""
    sample = re.search(rf"^{re.escape(name)} (\S+)$", operator.get("/metrics").text, re.M)
    return float(sample[1]) if sample else 0.0


def test_requests_are_counted_by_the_template_of_their_path(
    client: httpx.Client, operator: httpx.Client
) -> None:
    def counted(route: str, status: int) -> float:
        labels = f'{{method="GET",route="{route}",status="{status}"}}'
        return metric(operator, f"flightspecials_http_requests_total{labels}")

    one, missing, none = "/flightspecials/{id}", 404, "none"
    before = (counted(one, 200), counted(one, missing), counted(none, 404))
    for path in ("/flightspecials/1", "/flightspecials/2", "/flightspecials/99", "/x", "/y", "/z"):
        client.get(path)
    after = (counted(one, 200), counted(one, missing), counted(none, 404))
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 3]
    labels = '{le="+Inf",route="/flightspecials/{id}"}'
    assert metric(operator, f"flightspecials_http_request_duration_seconds_bucket{labels}") >= 3
    assert metric(operator, "flightspecials_db_up") == 1
    assert metric(operator, "flightspecials_db_connections") >= 1


def test_unknown_methods_share_one_label(client: httpx.Client, operator: httpx.Client) -> None:
    for method in ("PROPFIND", "TRACE", "MKCOL"):
        is_problem(client.request(method, "/flightspecials"), 405)
    text = operator.get("/metrics").text
    assert "PROPFIND" not in text
    assert 'method="other",route="/flightspecials",status="405"' in text


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, ("0" * 30 + "ff", "", ""), id="none: one of our own"),
        pytest.param({"x-request-id": "abc-1"}, ("abc-1", "", ""), id="the caller's"),
        pytest.param({"x-request-id": "a b"}, ("0" * 30 + "ff", "", ""), id="a malformed one"),
        pytest.param({"x-request-id": "x" * 129}, ("0" * 30 + "ff", "", ""), id="too long"),
        pytest.param(
            {"x-request-id": "r", "traceparent": f"00-{TRACE}-{PARENT}-01"},
            ("r", TRACE, PARENT),
            id="with a trace",
        ),
        pytest.param(
            {"x-request-id": "r", "traceparent": f"00-{'0' * 32}-{PARENT}-01"},
            ("r", "", ""),
            id="no trace",
        ),
        pytest.param({"x-request-id": "r", "traceparent": "junk"}, ("r", "", ""), id="junk"),
    ],
)
def test_the_ids_of_a_request(headers: dict[str, str], expected: tuple[str, str, str]) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    ids = read_ids(pairs, bits=lambda _: 255)
    assert (ids.request_id.decode(), ids.trace_id, ids.parent_id) == expected


def test_every_response_carries_the_request_id(client: httpx.Client) -> None:
    responses = [client.get(path) for path in ("/healthz", "/none", "/flightspecials/1")]
    assert len({response.headers["x-request-id"] for response in responses}) == 3
    echoed = client.get("/healthz", headers={"x-request-id": "abc"})
    assert echoed.headers["x-request-id"] == "abc"


def test_a_slow_query_is_logged_with_its_request_and_without_its_arguments(
    database: DatabaseSettings,
) -> None:
    run_sql(
        database,
        "CREATE FUNCTION travelbuddy.dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END$$",
        "CREATE TRIGGER dawdle BEFORE UPDATE ON travelbuddy.flightspecial"
        " FOR EACH ROW EXECUTE FUNCTION travelbuddy.dawdle()",
    )
    env = variables(database, SLOW_QUERY_MS="40", ACCESS_LOG="on")
    with process(env) as (service, client):
        eventually_ready(client)
        headers = {"x-request-id": "slow-1", "traceparent": f"00-{TRACE}-{PARENT}-01"}
        body = {"id": 1, "flightSpecialHeader": "hush-hush"}
        assert (
            client.post("/flightspecials/1/header", json=body, headers=headers).status_code == 200
        )
        line = service.wait_for("a slow query")
        assert (line["request_id"], line["trace_id"], line["parent_id"]) == (
            "slow-1",
            TRACE,
            PARENT,
        )
        assert line["query"].startswith("UPDATE ")
        assert line["took_ms"] >= 40
        with service.operator() as operator:
            assert metric(operator, "flightspecials_slow_queries_total") == 1
        access = service.wait_for("answered")
        assert {"method", "path", "status", "took_ms", "request_id"} <= set(access)
        service.popen.terminate()
        assert service.exit_status() == 0
    assert "hush-hush" not in str(service.log)


def test_postgresql_enforces_our_limits_as_well(database: DatabaseSettings) -> None:
    """If this process hangs or crashes, PostgreSQL ends its statements by itself."""
    run_sql(
        database,
        "CREATE TABLE public.limits (name text, value text)",
        "CREATE FUNCTION travelbuddy.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " INSERT INTO public.limits SELECT name, setting FROM pg_settings WHERE name IN"
        " ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout');"
        " RETURN NEW; END$$",
        "CREATE TRIGGER note BEFORE UPDATE ON travelbuddy.flightspecial"
        " FOR EACH ROW EXECUTE FUNCTION travelbuddy.note()",
    )
    env = variables(database, DB_STATEMENT_TIMEOUT_MS="1500", DB_LOCK_TIMEOUT_MS="700")
    with process(env) as (_, client):
        eventually_ready(client)
        client.patch("/flightspecials/1", json={"cost": 1})
    limits = run_sql(database, "SELECT name, value FROM public.limits")
    assert dict(map(tuple, limits)) == {
        "statement_timeout": "1500",
        "lock_timeout": "700",
        "idle_in_transaction_session_timeout": "3000",
    }


def test_malformed_http_gets_a_problem_as_well(client: httpx.Client) -> None:
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=10) as peer:
        peer.sendall(b"what is this\r\n\r\n")
        response = b"".join(iter(lambda: peer.recv(4096), b""))
    assert response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in response


class Load:
    """Sends requests to the first address until it responds with `Connection: close`, then to the next.

    A load balancer does the same when the first one is no longer ready.
    """

    def __init__(self, urls: list[str]) -> None:
        self.responses = 0
        self.failed: list[str] = []
        self._urls = urls
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in range(4)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self, number: int) -> None:
        urls = list(self._urls)
        with httpx.Client(timeout=20) as client:
            while not self._end.is_set():
                try:
                    response = client.patch(
                        f"{urls[0]}/flightspecials/1", json={"header": f"{number}"}
                    )
                except httpx.HTTPError as error:
                    return self.failed.append(repr(error))
                self.responses += 1
                if response.status_code != 200:
                    self.failed.append(response.text)
                if response.headers.get("connection") == "close":
                    urls.pop(0)


def test_a_replica_that_stops_under_load_fails_no_request(database: DatabaseSettings) -> None:
    env = variables(database, DRAIN_S="1")
    with process(env) as (first, one), process(env) as (_, other):
        for client in (one, other):
            eventually_ready(client)
        load = Load([str(one.base_url), str(other.base_url)])
        try:
            eventually(lambda: load.responses > 50)
            first.popen.send_signal(signal.SIGTERM)
            first.wait_for("draining")
            response = one.get("/readyz")
            is_problem(response, 503)
            assert response.headers["connection"] == "close"
            assert one.get("/healthz").status_code == 200
            assert first.exit_status() == 0
            reached = load.responses
            eventually(lambda: load.responses > reached + 20)
        finally:
            load.stop()
    assert load.failed == []


def test_a_second_signal_ends_the_drain(database: DatabaseSettings) -> None:
    with process(variables(database, DRAIN_S="600")) as (service, client):
        eventually_ready(client)
        service.popen.terminate()
        service.wait_for("draining")
        service.popen.terminate()
        assert service.exit_status() == 0


async def test_readiness_does_not_wait_for_a_free_connection(database: DatabaseSettings) -> None:
    own = Database(replace(database, pool_size=1, acquire_timeout_s=1))
    await own.open()
    async with own.connection():
        assert await own.probe(lambda session: session.fetchval("SELECT 1")) == 1
    await own.close()
