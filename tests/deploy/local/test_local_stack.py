"""The four parts of the stack, as they are told to run."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.local import stack
from deploy.local.postgres import Endpoint
from deploy.local.settings import Settings

DEFAULTS = Settings(
    facade_port=8080,
    admin_port=9901,
    service_port=8081,
    legacy_port=8082,
    routes=Path("/somewhere/routes.yaml"),
    data=Path("/data"),
)
SERVER = Endpoint("127.0.0.1", 5544, "postgres", "s3cret")


@pytest.mark.parametrize(
    ("moved", "backends"),
    [
        pytest.param({}, [], id="the table's own ports"),
        pytest.param({"facade_port": 1234, "admin_port": 1235}, [], id="not a backend's port"),
        pytest.param(
            {"legacy_port": 1234},
            ["--backend", "legacy=http://127.0.0.1:1234"],
            id="the monolith moved",
        ),
        pytest.param(
            {"service_port": 1234, "legacy_port": 1235},
            [
                "--backend",
                "legacy=http://127.0.0.1:1235",
                "--backend",
                "flightspecials=http://127.0.0.1:1234",
            ],
            id="both moved",
        ),
    ],
)
def test_the_facade_is_told_of_backends_that_are_not_where_the_table_says(
    moved: dict[str, Any], backends: list[str]
) -> None:
    settings = replace(DEFAULTS, **moved)
    argv = list(stack.facade(settings, {}).argv)
    at = argv.index("proxy")
    assert argv[at:] == [
        "proxy",
        "serve",
        "--routes",
        "/somewhere/routes.yaml",
        "--listen",
        f"127.0.0.1:{settings.facade_port}",
        "--admin",
        f"127.0.0.1:{settings.admin_port}",
        *backends,
    ]


def test_the_service_gets_its_database_from_us_and_not_from_the_callers_shell() -> None:
    callers = {
        "PATH": "/bin",
        "DB_HOST": "production",
        "DATABASE_ENDPOINT": "production",
        "DATABASE_USERNAME": "a-secret",
        "SPRING_PROFILES_ACTIVE": "test",
        "PROFILE": "test",
        "PGPASSWORD": "production",
    }
    part = stack.service(DEFAULTS, SERVER, callers)
    assert part.env == {
        "PATH": "/bin",
        "PROFILE": "local",
        "DB_HOST": "127.0.0.1",
        "DB_PORT": "5544",
        "DB_USERNAME": "postgres",
        "DB_PASSWORD": "s3cret",
        "DB_DATABASE_NAME": "dso",
        "DB_DEFAULT_SCHEMA": "travelbuddy",
        "FEATURE_SPECIAL_WRITES": "on",
    }


def test_no_secret_is_on_a_command_line_or_in_a_repr() -> None:
    part = stack.service(DEFAULTS, SERVER, os.environ)
    assert "s3cret" not in " ".join(part.argv)
    assert "s3cret" not in repr(part)
