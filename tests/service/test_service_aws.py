"""The profile `test`: Secrets Manager and Parameter Store, against moto's server over HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from msgspec.structs import replace

from deploy.local.postgres import free_port
from flightspecial_service.app import build
from flightspecial_service.errors import SettingsError, Unavailable
from flightspecial_service.infrastructure.aws.client import read_parameters, secret_reader
from flightspecial_service.infrastructure.aws.credentials import (
    Login,
    SecretCredentials,
    SecretUnreadable,
)
from flightspecial_service.settings import DatabaseSettings, Secret, Settings
from tests.service.conftest import run_sql
from tests.service.service_runner import (
    OPEN,
    command,
    eventually,
    eventually_ready,
    process,
    serving,
    variables,
)
from tests.support.moto_server import moto_environment, moto_running

NAME = "flightspecial_db_credentials_test"


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto's server."""
    with moto_running(("ssm", "describe_parameters"), ("secretsmanager", "list_secrets")) as url:
        yield url


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables for moto's server, also set in this process. All its data is deleted."""
    httpx.post(f"{moto}/moto-api/reset")
    environ = moto_environment(moto)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def put_secret(username: str, password: str) -> None:
    client: Any = boto3.client("secretsmanager")
    text = json.dumps({"username": username, "password": password, "engine": "postgres"})
    try:
        client.create_secret(Name=NAME, SecretString=text)
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=NAME, SecretString=text)


def in_test_profile(database: DatabaseSettings, aws: dict[str, str]) -> dict[str, str]:
    kept = {"PATH": variables(database)["PATH"], **aws}
    return kept | {
        "SPRING_PROFILES_ACTIVE": "test",
        "DATABASE_ENDPOINT": database.host,
        "DATABASE_PORT": str(database.port),
        "DATABASE_USERNAME": NAME,
        "DB_DATABASE_NAME": database.name,
        "DB_SSLMODE": "prefer",  # the server of the tests has no TLS
    }


def test_the_service_runs_with_the_user_of_the_secret(
    database: DatabaseSettings, aws: dict[str, str]
) -> None:
    put_secret(database.username, database.password.reveal())
    env = in_test_profile(database, aws)
    with process(env) as (service, client):
        eventually_ready(client)
        assert len(client.get("/flightspecials").json()) == 11
    assert database.password.reveal() not in str(service.log)
    assert command("validate", env=env).returncode == 0


def test_it_waits_for_a_secret_that_is_not_there_yet(
    database: DatabaseSettings, aws: dict[str, str]
) -> None:
    with process(in_test_profile(database, aws)) as (service, client):
        line = service.wait_for("the database's secret cannot be read")
        assert "ResourceNotFoundException" in line["message"]
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        put_secret(database.username, database.password.reveal())
        eventually_ready(client)


def test_properties_of_parameter_store_come_below_the_environment(aws: dict[str, str]) -> None:
    client: Any = boto3.client("ssm")
    for name, value in (
        ("/config/flightspecials/DB_POOL_SIZE", "3"),
        ("/config/flightspecials/SLOW_QUERY_MS", "70"),
        ("/config/flightspecials_test/DB_POOL_SIZE", "4"),
        ("/config/flightspecials_prod/DB_POOL_SIZE", "5"),
    ):
        client.put_parameter(Name=name, Value=value, Type="SecureString")
    assert read_parameters("test") == {"DB_POOL_SIZE": "4", "SLOW_QUERY_MS": "70"}
    # An invalid value shows that the property is read, a valid variable that it overrides the property.
    client.put_parameter(
        Name="/config/flightspecials/DRAIN_S", Value="bad", Type="String", Overwrite=True
    )
    env = aws | {"PROFILE": "test", "DATABASE_ENDPOINT": "127.0.0.1", "DATABASE_USERNAME": NAME}
    done = command("info", env=env)
    assert (done.returncode, "DRAIN_S must be" in done.stderr) == (2, True)
    assert "DRAIN_S" not in command("info", env=env | {"DRAIN_S": "1"}).stderr


def test_a_start_without_parameter_store_is_refused_in_a_sentence(
    aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SettingsError, match="Parameter Store cannot be read"):
        read_parameters("test")


@pytest.mark.parametrize(
    "text", ["hush", '{"username": "hush"}', '{"username": 5, "password": "hush"}']
)
def test_a_malformed_secret_is_not_shown(aws: dict[str, str], text: str) -> None:
    boto3.client("secretsmanager").create_secret(Name=NAME, SecretString=text)
    with pytest.raises(SecretUnreadable) as failed:
        secret_reader(NAME)()
    assert "hush" not in str(failed.value)
    assert failed.value.__cause__ is None


class Reader:
    """A secret that tests change, with a count of its reads."""

    def __init__(self, login: Login) -> None:
        self.now: Login | None = login
        self.reads = 0

    def __call__(self) -> Login:
        self.reads += 1
        if self.now is None:
            raise SecretUnreadable("ThrottlingException")
        return self.now


ONE, TWO = Login("one", Secret("1")), Login("two", Secret("2"))


async def test_the_secret_is_read_once_however_many_connect() -> None:
    reader = Reader(ONE)
    credentials = SecretCredentials(reader)
    assert await asyncio.gather(*(credentials.login() for _ in range(50))) == [ONE] * 50
    assert reader.reads == 1


async def test_during_an_outage_the_last_secret_stays_in_use() -> None:
    reader, clock = Reader(ONE), [0.0]
    credentials = SecretCredentials(reader, lambda: clock[0])
    await credentials.login()
    reader.now = None
    clock[0] = 1e6
    assert await credentials.after_refusal(ONE) is None
    assert await credentials.login() == ONE


async def test_until_a_first_secret_is_read_there_are_pauses_between_reads() -> None:
    reader, clock = Reader(ONE), [0.0]
    reader.now = None
    credentials = SecretCredentials(reader, lambda: clock[0])
    for _ in range(5):
        with pytest.raises(Unavailable):
            await credentials.login()
    assert reader.reads == 1
    reader.now, clock[0] = ONE, 2.0
    assert await credentials.login() == ONE


async def test_a_rejected_login_reads_the_secret_immediately_but_not_each_time() -> None:
    reader, clock = Reader(ONE), [0.0]
    credentials = SecretCredentials(reader, lambda: clock[0])
    await credentials.login()
    clock[0] = 11.0
    for _ in range(5):
        assert await credentials.after_refusal(ONE) is None
    assert reader.reads == 2
    reader.now, clock[0] = TWO, 22.0
    assert await credentials.after_refusal(ONE) == TWO
    assert await credentials.after_refusal(ONE) == TWO
    assert reader.reads == 3


def test_a_rotation_between_two_users_fails_no_request(
    database: DatabaseSettings, aws: dict[str, str]
) -> None:
    """The secret changes to another user while connections of the first one are in use."""
    users = [f"{name}_{database.name}" for name in ("blue", "green")]
    for user in users:
        run_sql(database, f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'pw'")
    put_secret(users[0], "pw")
    settings = Settings(
        database=replace(database, username="", password=Secret(""), secret_id=NAME), edge=OPEN
    )
    failed: list[str] = []
    end = threading.Event()

    def load(url: str) -> None:
        with httpx.Client(base_url=url, timeout=20) as client:
            while not end.is_set():
                response = client.patch("/flightspecials/1", json={"cost": 1})
                if response.status_code != 200:
                    failed.append(response.text)

    def connected() -> set[str]:
        query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database()"
        return {row[0] for row in run_sql(database, query)} - {database.username}

    with serving(build(settings, lambda: None, poll_s=0.1)) as client:
        eventually_ready(client)
        threads = [threading.Thread(target=load, args=(str(client.base_url),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for user, other in (users, users[::-1]):
                eventually(lambda user=user: user in connected())  # type: ignore[misc]
                put_secret(other, "pw")
                eventually(lambda other=other: connected() == {other})  # type: ignore[misc]
        finally:
            end.set()
            for thread in threads:
                thread.join(20)
        assert client.get("/readyz").status_code == 200
    for user in users:
        run_sql(database, f"DROP OWNED BY {user}", f"DROP ROLE {user}")
    assert failed == []
