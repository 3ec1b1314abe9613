"""Settings from variables."""

from pathlib import Path

import pytest

from flightspecial_service.environment import with_files
from flightspecial_service.errors import SettingsError
from flightspecial_service.settings import Secret, profile_of, read_settings


def test_nothing_set_is_the_local_profile() -> None:
    settings = read_settings({})
    database = settings.database
    assert settings.profile == "local"
    assert (database.host, database.port, database.username) == ("localhost", 5432, "postgres")
    assert (database.name, database.schema, database.pool_size) == ("dso", "travelbuddy", 10)
    assert database.password.reveal() == ""


def test_each_variable_sets_its_setting() -> None:
    settings = read_settings(
        {
            "DB_HOST": "db.example",
            "DB_PORT": "6543",
            "DB_USERNAME": "alice",
            "DB_PASSWORD": "P@ssw0rd",
            "DB_DATABASE_NAME": "other",
            "DB_DEFAULT_SCHEMA": "specials",
            "DB_POOL_SIZE": "3",
            "SPRING_PROFILES_ACTIVE": "local",
        }
    )
    database = settings.database
    assert (database.host, database.port, database.username) == ("db.example", 6543, "alice")
    assert (database.name, database.schema, database.pool_size) == ("other", "specials", 3)
    assert database.password.reveal() == "P@ssw0rd"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("DB_HOST", " db", id="blank before the host"),
        pytest.param("DB_HOST", "d\nb", id="line end in the host"),
        pytest.param("DB_PORT", "0", id="port 0"),
        pytest.param("DB_PORT", "65536", id="port too large"),
        pytest.param("DB_PORT", "-1", id="negative port"),
        pytest.param("DB_PORT", "٥٤٣٢", id="port in other digits"),
        pytest.param("DB_PORT", "9" * 5000, id="endless port"),
        pytest.param("DB_POOL_SIZE", "0", id="no connections"),
        pytest.param("DB_POOL_SIZE", "1001", id="too many connections"),
        pytest.param("DB_DATABASE_NAME", "a\0b", id="NUL in the database name"),
        pytest.param("DB_DEFAULT_SCHEMA", 'x"; DROP TABLE y; --', id="schema with a quote"),
        pytest.param("DB_DEFAULT_SCHEMA", "1st", id="schema with a digit in front"),
        pytest.param("DB_DEFAULT_SCHEMA", "pg_mine", id="schema of PostgreSQL's own"),
        pytest.param("DB_DEFAULT_SCHEMA", "x" * 64, id="schema too long"),
        pytest.param("DB_PASSWORD", "p\udcff", id="password not UTF-8"),
        pytest.param("PROFILE", "production", id="unknown profile"),
        pytest.param("SPRING_PROFILES_ACTIVE", "x", id="unknown profile by its other name"),
        pytest.param("CODEBUILD_BUILD_NUMBER", "[7]", id="build with brackets"),
        pytest.param("FEATURE_HEADER_UPDATE", "yes", id="a switch that is neither on nor off"),
        pytest.param("DRAIN_S", "601", id="an endless drain"),
        pytest.param("SPRING_PROFILES_ACTIVE", "dev,metrics", id="a list without our profile"),
        pytest.param("SPRING_PROFILES_ACTIVE", "local,test", id="a list with both profiles"),
        pytest.param("OPS_PORT", "65536", id="operations port too large"),
        pytest.param("OPS_HOST", "a b\n", id="line end in the operations host"),
        pytest.param("MAX_CONNECTIONS", "0", id="no connections at all"),
        pytest.param("LOG_LEVEL", "trace", id="unknown log level"),
        pytest.param("FEATURE_SPECIAL_WRITES", "token", id="a switch with a third state"),
        pytest.param("CORS_ALLOW_ORIGINS", "shop.example", id="origin without a scheme"),
        pytest.param("CORS_ALLOW_ORIGINS", "https://shop.example/", id="origin with a path"),
        pytest.param("CORS_ALLOW_ORIGINS", "https://a.example,*", id="any origin in a list"),
        pytest.param("OTLP_ENDPOINT", "collector:4317", id="a collector without a scheme"),
        pytest.param("TRACE_RATIO", "2", id="more than all requests"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({name: value})
    [problem] = refused.value.problems
    assert problem.startswith(f"{name} must be")
    assert problem.isascii()
    assert len(problem) < 300


def test_all_problems_are_reported_together_and_never_the_password() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"DB_HOST": " ", "DB_PORT": "x", "DB_PASSWORD": "hush\udcff"})
    assert len(refused.value.problems) == 3
    assert "hush" not in str(refused.value)


def test_the_profile_test_has_its_own_names() -> None:
    environ = {
        "SPRING_PROFILES_ACTIVE": "test",
        "DATABASE_ENDPOINT": "db.example",
        "DATABASE_PORT": "6543",
        "DATABASE_USERNAME": "flightspecial_db_credentials_test",
    }
    database = read_settings(environ).database
    assert (database.host, database.port) == ("db.example", 6543)
    assert database.secret_id == "flightspecial_db_credentials_test"
    with pytest.raises(SettingsError) as refused:
        read_settings({"PROFILE": "test"})
    assert [each.split()[0] for each in refused.value.problems] == [
        "DATABASE_ENDPOINT",
        "DATABASE_USERNAME",
    ]


def test_files_override_the_environment(tmp_path: Path) -> None:
    (tmp_path / "DB_PASSWORD").write_text("from a file\n")
    (tmp_path / "..data").mkdir()
    (tmp_path / "not-a-name").write_text("x")
    environ = {"SECRETS_DIR": str(tmp_path), "DB_PASSWORD": "x", "DB_USERNAME": "alice"}
    database = read_settings(with_files(environ)).database
    assert (database.password.reveal(), database.username) == ("from a file", "alice")
    (tmp_path / "DB_PASSWORD").write_bytes(b"hush\xff")
    (tmp_path / "DB_HOST").write_bytes(b"x" * 65_537)
    with pytest.raises(SettingsError) as refused:
        with_files(environ)
    assert len(refused.value.problems) == 2
    assert "hush" not in str(refused.value)


def test_profile_overrides_spring_profiles_active() -> None:
    assert read_settings({"PROFILE": "local", "SPRING_PROFILES_ACTIVE": "x"}).profile == "local"


def test_a_secret_is_not_printed() -> None:
    settings = read_settings({"DB_PASSWORD": "hush"})
    assert "hush" not in f"{settings!r} {settings} {Secret('hush')!s}"


@pytest.mark.parametrize(
    "name",
    [
        *("ACCESS_LOG", "CODEBUILD_BUILD_NUMBER", "CORS_ALLOW_ORIGINS", "DB_DEFAULT_SCHEMA"),
        *("DB_HOST", "DB_PORT", "DB_USERNAME", "LOG_LEVEL", "OPS_PORT", "PROFILE"),
        *("SPRING_PROFILES_ACTIVE", "API_TOKEN_FILE", "FEATURE_SPECIAL_WRITES"),
    ],
)
def test_an_empty_variable_counts_as_unset(name: str) -> None:
    assert repr(read_settings({name: ""})) == repr(read_settings({}))


def test_an_empty_variable_or_file_overrides_nothing(tmp_path: Path) -> None:
    (tmp_path / "DB_USERNAME").write_text("\n")
    environ = {"SECRETS_DIR": str(tmp_path), "DB_USERNAME": "alice", "DB_HOST": ""}
    assert with_files(environ) == {"SECRETS_DIR": str(tmp_path), "DB_USERNAME": "alice"}


@pytest.mark.parametrize(
    ("value", "profile"),
    [("local", "local"), ("local,metrics", "local"), ("metrics, test", "test"), ("test,", "test")],
)
def test_the_profile_is_the_known_one_of_springs_list(value: str, profile: str) -> None:
    assert profile_of({"SPRING_PROFILES_ACTIVE": value}) == profile


def test_special_writes_are_off_unless_a_switch_or_a_token_file_says_otherwise() -> None:
    def writes(**environ: str) -> tuple[bool, str]:
        edge = read_settings(environ).edge
        return edge.special_writes, edge.token_file

    assert writes() == (False, "")
    assert writes(FEATURE_SPECIAL_WRITES="on") == (True, "")
    assert writes(API_TOKEN_FILE="/token") == (True, "/token")
    assert writes(API_TOKEN_FILE="/token", FEATURE_SPECIAL_WRITES="off") == (False, "/token")


def test_origins_are_a_list() -> None:
    value = "https://shop.example, http://localhost:3000,http://[::1]:8080"
    assert read_settings({"CORS_ALLOW_ORIGINS": value}).edge.cors_origins == (
        "https://shop.example",
        "http://localhost:3000",
        "http://[::1]:8080",
    )
    assert read_settings({"CORS_ALLOW_ORIGINS": "*"}).edge.cors_origins == ("*",)
