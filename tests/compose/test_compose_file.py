"""What can be said of compose.yaml without an engine."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from flightspecial_service.settings import read_settings as read_service_settings
from proxy.cli.serve_options import add_options, read_settings
from proxy.config.load import load
from proxy.server.settings import Address
from tests.compose.reading import ROOT, compose, of_target, seconds, variables

PARTS = ["app", "db", "facade", "travelbuddy"]
OURS = ["app", "db-init", "facade", "travelbuddy"]


def service(name: str, **environ: str) -> dict[str, Any]:
    found: dict[str, Any] = compose(environ)["services"][name]
    return found


def test_the_parts_have_the_names_of_the_original_set_up() -> None:
    assert set(compose()["services"]) == {"db", "db-init", "app", "travelbuddy", "facade"}


@pytest.mark.parametrize("name", PARTS)
def test_every_part_that_stays_has_a_health_check(name: str) -> None:
    check = service(name)["healthcheck"]
    if "test" not in check:
        assert of_target(service(name)["build"]["target"], "HEALTHCHECK"), "nor has its image"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@pytest.mark.parametrize("name", OURS)
def test_ours_can_write_nothing_and_gain_nothing(name: str) -> None:
    said = service(name)
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert "cap_add" not in said
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert all("size=" in mount for mount in said["tmpfs"])


@pytest.mark.parametrize("name", [*PARTS, "db-init"])
def test_every_part_is_bounded_and_has_an_init(name: str) -> None:
    said = service(name)
    assert set(said["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert said["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert said["init"] is True
    assert said["restart"] == ("no" if name == "db-init" else "unless-stopped")


def test_the_database_can_be_told_to_stop_by_an_init_of_another_user() -> None:
    said = service("db")
    assert said["init"]
    assert "KILL" in said["cap_add"]


@pytest.mark.parametrize("name", PARTS)
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service(name).get("ports", []))


@pytest.mark.parametrize(
    ("name", "variable", "default"),
    [("app", "APP_PORT", "8080"), ("facade", "FACADE_PORT", "8000"), ("db", "DB_PORT", "5432")],
)
def test_a_port_of_the_host_is_chosen_by(name: str, variable: str, default: str) -> None:
    inside = service(name)["ports"][0].rpartition(":")[2]
    assert service(name)["ports"] == [f"127.0.0.1:{default}:{inside}"]
    assert service(name, **{variable: "18080"})["ports"] == [f"127.0.0.1:18080:{inside}"]


def test_the_database_is_as_the_original() -> None:
    said = service("db")
    assert "max_connections=500" in said["command"]
    assert said["environment"]["POSTGRES_DB"] == "dso"
    assert said["volumes"] == ["./env/db/data:/var/lib/postgresql/data"]
    named = service("db", DB_VOLUME="db-data")
    assert named["volumes"] == ["db-data:/var/lib/postgresql/data"]
    assert compose()["volumes"] == {"db-data": {"name": "db-data", "external": True}}


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("db-init", {"db": "service_healthy"}),
        ("app", {"db": "service_healthy", "db-init": "service_completed_successfully"}),
        ("facade", {"app": "service_healthy", "travelbuddy": "service_healthy"}),
    ],
)
def test_a_part_starts_when_what_it_needs_is_ready(name: str, needs: dict[str, str]) -> None:
    said = service(name)["depends_on"]
    assert {other: rule["condition"] for other, rule in said.items()} == needs


def test_the_facade_has_no_way_to_the_database() -> None:
    assert service("facade")["networks"] == ["front"]
    assert service("db")["networks"] == ["back"]


@pytest.mark.parametrize("name", ["app", "db-init"])
def test_the_service_understands_its_variables(name: str) -> None:
    chosen = {
        "DB_USERNAME": "somebody",
        "DB_PASSWORD": "secret",
        "DB_DATABASE_NAME": "other",
        "DB_DEFAULT_SCHEMA": "elsewhere",
        "CODEBUILD_BUILD_NUMBER": "7",
        "SHOW_BUILD_NUMBER": "on",
        "FEATURE_HEADER_UPDATE": "off",
        "FEATURE_SPECIAL_WRITES": "off",
    }
    settings = read_service_settings(service(name, **chosen)["environment"])
    assert (settings.profile, settings.build) == ("local", "7")
    assert (settings.show_build, settings.header_update) == (True, False)
    assert not settings.edge.special_writes
    database = settings.database
    assert (database.host, database.port) == ("db", 5432)
    assert (database.username, database.password.reveal()) == ("somebody", "secret")
    assert (database.name, database.schema) == ("other", "elsewhere")


def test_the_service_and_the_database_agree_on_the_defaults() -> None:
    settings = read_service_settings(service("app")["environment"])
    assert settings.edge.special_writes
    made = service("db")["environment"]
    assert settings.database.password.reveal() == made["POSTGRES_PASSWORD"] == "P@ssw0rd"
    assert settings.database.username == made["POSTGRES_USER"] == "postgres"
    assert settings.database.name == made["POSTGRES_DB"] == "dso"


def _facade_settings(**environ: str) -> Any:
    """As `facade serve` reads them in its container."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    said = service("facade", **environ)
    baked = [pair.split("=", 1) for one in of_target("facade", "ENV") for pair in one.rest.split()]
    variables_there = {**dict(baked), **said["environment"]}
    assert said["command"][0] == "serve"
    return read_settings(parser.parse_args(said["command"][1:]), variables_there)


def test_the_facade_understands_its_options_and_variables() -> None:
    settings = _facade_settings()
    assert settings.listen == Address("0.0.0.0", 8080)
    assert settings.admin == Address("127.0.0.1", 9901)
    assert settings.routes == Path("/etc/facade/routes.yaml")
    assert {name: str(end.host) for name, end in settings.backends} == {
        "legacy": "travelbuddy",
        "flightspecials": "app",
    }


def test_another_monolith_is_named_by_legacy_url() -> None:
    found = dict(_facade_settings(LEGACY_URL="https://old.example.com").backends)
    assert found["legacy"].host == "old.example.com"


def test_the_backends_it_names_are_in_the_table() -> None:
    table = load((ROOT / "routes.yaml").read_bytes(), "routes.yaml").table
    assert {name for name, _ in _facade_settings().backends} <= {b.name for b in table.backends}


def test_the_table_is_mounted_by_its_folder_and_cannot_be_written() -> None:
    assert service("facade")["volumes"] == [".:/etc/facade:ro"]


@pytest.mark.parametrize("name", PARTS)
def test_there_is_more_time_to_stop_than_a_part_takes(name: str) -> None:
    takes = {
        "app": float(service("app")["environment"]["DRAIN_S"]) + 10,
        "facade": _facade_settings().drain_s + _facade_settings().pause_s,
        "travelbuddy": 5.0,
        "db": 10.0,
    }
    assert seconds(service(name)["stop_grace_period"]) > takes[name]


def test_every_variable_is_explained() -> None:
    page = (ROOT / "docs/compose.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in row.split("|")[1].replace("`", "").split(", ")}
    explained = {name.strip() for name in explained}
    assert set(variables()) <= explained, "docs/compose.md leaves out variables of compose.yaml"
    assert {name for name in explained if name.isupper()} <= set(variables()), "and has others"


@pytest.mark.parametrize(
    ("name", "default"), sorted((name, default) for name, default in variables().items() if default)
)
def test_the_default_of_a_variable_is_told(name: str, default: str) -> None:
    page = (ROOT / "docs/compose.md").read_text()
    [row] = [line for line in page.splitlines() if line.startswith(f"| `{name}` ")]
    assert f"`{default}`" in row
