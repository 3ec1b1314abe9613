"""The service in the profile `test` with what the stacks created: the secret, the properties, the build's variables.

Only the database is another one: a server of this machine, whose superuser gets the password of the
secret, as RDS gives it to the master user.
"""

import asyncio
import json
import os
from collections.abc import Iterator

import asyncpg
import pytest

from deploy.local import postgres
from flightspecial_service.infrastructure.aws.client import read_parameters
from tests.deploy.aws import stacks
from tests.deploy.aws.stacks import client
from tests.service.service_runner import command, eventually_ready, process
from tests.support.moto_server import moto_environment

pytestmark = pytest.mark.usefixtures("made")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Endpoint]:
    fast = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    with postgres.running(tmp_path_factory.mktemp("postgres") / "data", settings=fast) as endpoint:
        yield endpoint


def run_sql(endpoint: postgres.Endpoint, *statements: str) -> None:
    async def run() -> None:
        session = await asyncpg.connect(
            host=endpoint.host,
            port=endpoint.port,
            user=endpoint.user,
            password=endpoint.password,
            database="postgres",
        )
        try:
            for statement in statements:
                await session.execute(statement)
        finally:
            await session.close()

    asyncio.run(run())


def build_variables() -> dict[str, str]:
    """What the project of the stack gives to the build."""
    return {
        each["name"]: each["value"]
        for each in stacks.project()["environment"]["environmentVariables"]
    }


def test_the_service_starts_with_the_secret_and_the_properties_of_the_stack(
    server: postgres.Endpoint, moto: str
) -> None:
    name = build_variables()["DATABASE_USERNAME"]
    text = client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    secret = json.loads(text)
    assert secret["username"] == server.user
    quoted = secret["password"].replace("'", "''")
    run_sql(server, "CREATE DATABASE dso", f"ALTER ROLE {server.user} PASSWORD '{quoted}'")
    env = {
        "PATH": os.environ["PATH"],
        **moto_environment(moto),
        "SPRING_PROFILES_ACTIVE": "test",
        "DATABASE_ENDPOINT": server.host,
        "DATABASE_PORT": str(server.port),
        "DATABASE_USERNAME": name,
        "DB_SSLMODE": "prefer",  # this server has no TLS
    }
    with process(env) as (service, http):
        eventually_ready(http)
        assert len(http.get("/flightspecials").json()) == 11
    assert secret["password"] not in str(service.log)


def test_the_service_reads_the_properties_of_the_stack() -> None:
    assert read_parameters("test") == {"SLOW_QUERY_MS": "500", "DB_STATEMENT_TIMEOUT_MS": "5000"}


def test_a_region_without_the_stack_is_a_sentence_and_no_start(moto: str) -> None:
    env = {
        "PATH": os.environ["PATH"],
        **moto_environment(moto),
        "AWS_DEFAULT_REGION": "eu-west-1",
        "SPRING_PROFILES_ACTIVE": "test",
        "DATABASE_ENDPOINT": "127.0.0.1",
        "DATABASE_USERNAME": build_variables()["DATABASE_USERNAME"],
    }
    done = command("migrate", env=env)
    assert done.returncode != 0
    assert "the secret with the database's password cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
