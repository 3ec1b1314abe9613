"""The service as a process: command line, start and shutdown."""

import signal

import pytest
from msgspec.structs import replace

from deploy.local.postgres import free_port
from flightspecial_service.infrastructure.migrations.migrator import own_scripts
from flightspecial_service.settings import DatabaseSettings
from tests.service.conftest import run_sql
from tests.service.service_runner import command, eventually_ready, process, variables
from tests.service.test_service_api import is_problem

ALL = len(own_scripts())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param([], "the following arguments are required: COMMAND", id="no command"),
        pytest.param(["fly"], "invalid choice: 'fly'", id="unknown command"),
        pytest.param(["serve", "--port", "x"], "'x' is not a port", id="port not a number"),
        pytest.param(["serve", "--port", "65536"], "'65536' is not a port", id="port too large"),
        pytest.param(["migrate", "--now"], "unrecognized arguments: --now", id="unknown option"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_a_sentence(
    arguments: list[str], sentence: str
) -> None:
    done = command(*arguments, env={})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sentence in done.stderr
    assert "--help" in done.stderr


@pytest.mark.parametrize("name", ["serve", "migrate"])
def test_wrong_settings_end_with_2_and_are_all_named(name: str) -> None:
    env = {"DB_PORT": "x", "DB_POOL_SIZE": "0", "DB_PASSWORD": "hush"}
    done = command(name, env=env)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "DB_PORT must be" in done.stderr
    assert "DB_POOL_SIZE must be" in done.stderr
    assert "hush" not in done.stderr


def test_a_port_in_use_is_reported_in_a_sentence(database: DatabaseSettings) -> None:
    done = command("serve", "--port", str(database.port), env=variables(database))
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"flightspecials: cannot listen on 127.0.0.1 port {database.port}"
    )
    assert "Traceback" not in done.stderr


def test_migrate_applies_all_and_then_nothing(empty_database: DatabaseSettings) -> None:
    env = variables(empty_database)
    first, second = command("migrate", env=env), command("migrate", env=env)
    assert (first.returncode, first.stdout) == (
        0,
        f"applied {ALL} of {ALL} migrations to travelbuddy\n",
    )
    assert (second.returncode, second.stdout) == (
        0,
        f"applied 0 of {ALL} migrations to travelbuddy\n",
    )


def test_migrate_without_a_database_fails_with_a_sentence(database: DatabaseSettings) -> None:
    nowhere = replace(database, port=free_port())
    done = command("migrate", env=variables(nowhere))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the database cannot be reached" in done.stderr
    assert database.password.reveal() not in done.stderr


DRIFT = "UPDATE travelbuddy.flyway_schema_history SET checksum = 5 WHERE version = '2'"
FAILED = "UPDATE travelbuddy.flyway_schema_history SET success = false WHERE version = '4'"
GAP = "DELETE FROM travelbuddy.flyway_schema_history WHERE version = '2'"


@pytest.mark.parametrize(
    ("sql", "file"),
    [
        pytest.param(DRIFT, "V2__create_tables.sql", id="a changed file"),
        pytest.param(FAILED, "V4__version_specials.sql", id="a failed migration"),
        pytest.param(GAP, "V2__create_tables.sql", id="a gap"),
    ],
)
def test_a_database_that_does_not_fit_is_refused_with_the_name_of_the_file(
    database: DatabaseSettings, sql: str, file: str
) -> None:
    run_sql(database, sql)
    env = variables(database)
    migrating, serving = command("migrate", env=env), command("serve", "--port", "0", env=env)
    assert (migrating.returncode, serving.returncode) == (1, 1)
    assert file in migrating.stderr
    assert file in serving.stderr
    assert "Traceback" not in migrating.stderr + serving.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(database: DatabaseSettings, number: signal.Signals) -> None:
    with process(variables(database)) as (service, client):
        service.wait_for("ready")
        assert client.get("/flightspecials").status_code == 200
        service.popen.send_signal(number)
        assert service.exit_status() == 0
    assert not [line for line in service.log if line["level"] not in ("info",)]


def test_it_starts_without_a_database_and_is_live_but_not_ready(database: DatabaseSettings) -> None:
    with process(variables(replace(database, port=free_port()))) as (service, client):
        service.wait_for("not ready")
        assert client.get("/healthz").status_code == 200
        is_problem(client.get("/readyz"), 503)
        response = client.get("/flightspecials")
        is_problem(response, 503)
        assert response.headers["retry-after"] == "1"
        service.popen.terminate()
        assert service.exit_status() == 0


def test_two_replicas_that_start_together_both_become_ready(
    empty_database: DatabaseSettings,
) -> None:
    env = variables(empty_database)
    with process(env) as (_, one), process(env) as (_, other):
        for client in (one, other):
            eventually_ready(client)
            assert len(client.get("/flightspecials").json()) == 11
    [[applied]] = run_sql(empty_database, "SELECT count(*) FROM travelbuddy.flyway_schema_history")
    assert applied == ALL


def test_the_password_is_in_no_line_of_the_log(database: DatabaseSettings) -> None:
    secret = type(database.password)("hush-hush")
    with process(variables(replace(database, password=secret, username="nobody"))) as (service, _):
        line = service.wait_for("not ready")
        service.popen.terminate()
        assert service.exit_status() == 0
    assert "nobody" in line["message"]
    assert "hush-hush" not in str(service.log)
