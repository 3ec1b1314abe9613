"""Settings from environment variables. All problems are reported together, without any password."""

import re
import ssl
from collections.abc import Mapping
from importlib.util import find_spec

from msgspec import Struct

from flightspecial_service.errors import SettingsError
from flightspecial_service.logs import LEVELS

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_BUILD = re.compile(r"[A-Za-z0-9._-]{0,64}")
# RFC 6454 6.2: what a browser sends in Origin.
_ORIGIN = re.compile(
    r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](?::[0-9]{1,5})?"
)
_COLLECTOR = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(/[\x21-\x7e]+)?/?"
)
_RATIO = re.compile(r"[0-9](?:\.[0-9]{1,6})?")
PROFILES = ("local", "test")
SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's words (its documentation, "SSL Support"): each protects more than the one before."""


class Secret:
    """Text that prints as `***` in logs and tracebacks."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"


class DatabaseSettings(Struct, frozen=True):
    """Address of PostgreSQL, login, and a limit for each wait."""

    host: str = "localhost"
    port: int = 5432
    username: str = "postgres"
    password: Secret = Secret("")
    secret_id: str = ""
    """Secrets Manager's secret with user and password (profile `test`); otherwise empty."""
    name: str = "dso"
    schema: str = "travelbuddy"
    sslmode: str = "prefer"
    """One of `SSLMODES`."""
    sslrootcert: str = ""
    """A file of root certificates; empty: the server's certificate is not verified."""
    refuse_newer: bool = False
    """Do not start on a schema that a newer version has migrated."""
    pool_size: int = 10
    connect_timeout_s: float = 2.0
    acquire_timeout_s: float = 0.8
    """For a connection from the pool, connecting included. Under a second, so that a 503 is quick."""
    command_timeout_s: float = 5.0
    row_lock_timeout_s: float = 2.0
    """For a row that another transaction has locked."""
    probe_timeout_s: float = 1.0
    close_timeout_s: float = 3.0
    migration_wait_s: float = 60.0
    """For the migrations of another replica. The run of a migration itself has no limit."""
    lock_timeout_s: float = 5.0
    """For a table that a migration locks. Other statements queue behind the migration meanwhile."""


class EdgeSettings(Struct, frozen=True):
    """What clients may do, and where operators look."""

    special_writes: bool = False
    """If off, creating, changing and deleting specials get 501. Header updates and names have their own."""
    token_file: str = ""
    """With it, these writes need its bearer token."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may use the API; `*` is any."""
    max_connections: int = 1_000
    operations_host: str = "127.0.0.1"
    operations_port: int | None = None
    """None: there is no operations listener. 0: a free port."""
    log_level: str = "info"


class TracingSettings(Struct, frozen=True):
    """Where spans go, and which part of the requests without a trace gets one."""

    endpoint: str
    """The collector's URL for traces, by OTLP over HTTP."""
    ratio: float = 0.01


class Settings(Struct, frozen=True):
    """All settings of the service."""

    profile: str = "local"
    database: DatabaseSettings = DatabaseSettings()
    edge: EdgeSettings = EdgeSettings()
    header_update: bool = True
    """Feature flag: if off, header updates get 501."""
    build: str = ""
    show_build: bool = False
    """Put the build before header texts in responses."""
    key_ttl_s: float = 86_400.0
    """Lifetime of an idempotency key."""
    slow_query_s: float = 0.5
    access_log: bool = False
    tracing: TracingSettings | None = None
    drain_s: float = 0.0
    """From the signal to the end of listening, for load balancers to remove this replica."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from variables; unset and empty ones take their defaults. Raises SettingsError."""
    reader = _Reader(without_empty(environ))
    profile = reader.profile()
    usual = "require" if profile == "test" else "prefer"
    sslmode = reader.choice("DB_SSLMODE", (usual, *SSLMODES))
    # Two sets of names: one for the profile `local`, one that the chart's ConfigMap sets (docs/service.md).
    local = profile != "test"
    settings = Settings(
        profile=profile,
        database=DatabaseSettings(
            host=reader.text(*(("DB_HOST", "localhost") if local else ("DATABASE_ENDPOINT", None))),
            port=reader.number("DB_PORT" if local else "DATABASE_PORT", 5432, 65_535),
            username=reader.text("DB_USERNAME", "postgres") if local else "",
            password=Secret(reader.password("DB_PASSWORD") if local else ""),
            secret_id="" if local else reader.text("DATABASE_USERNAME", None),
            name=reader.text("DB_DATABASE_NAME", "dso"),
            schema=reader.identifier("DB_DEFAULT_SCHEMA", "travelbuddy"),
            sslmode=sslmode,
            sslrootcert=reader.root_certificates("DB_SSLROOTCERT", sslmode),
            refuse_newer=reader.choice("DB_SCHEMA_AHEAD", ("warn", "refuse")) == "refuse",
            pool_size=reader.number("DB_POOL_SIZE", 10, 1_000),
            command_timeout_s=reader.number("DB_STATEMENT_TIMEOUT_MS", 5_000, 600_000) / 1000,
            row_lock_timeout_s=reader.number("DB_LOCK_TIMEOUT_MS", 2_000, 600_000) / 1000,
        ),
        edge=_edge(reader),
        header_update=reader.choice("FEATURE_HEADER_UPDATE", ("on", "off")) == "on",
        build=reader.build("CODEBUILD_BUILD_NUMBER"),
        show_build=reader.choice("SHOW_BUILD_NUMBER", ("off", "on")) == "on",
        key_ttl_s=reader.number("IDEMPOTENCY_KEY_TTL_S", 86_400, 31_536_000),
        slow_query_s=reader.number("SLOW_QUERY_MS", 500, 600_000) / 1000,
        access_log=reader.choice("ACCESS_LOG", ("off", "on")) == "on",
        tracing=reader.tracing("OTLP_ENDPOINT", "TRACE_RATIO"),
        drain_s=reader.number("DRAIN_S", 0, 600, smallest=0),
    )
    if reader.problems:
        raise SettingsError(tuple(reader.problems))
    return settings


def _edge(reader: "_Reader") -> EdgeSettings:
    token_file = reader.text("API_TOKEN_FILE", "")
    # A token file switches the writes on, unless the switch says otherwise.
    writes = ("on", "off") if token_file else ("off", "on")
    return EdgeSettings(
        special_writes=reader.choice("FEATURE_SPECIAL_WRITES", writes) == "on",
        token_file=token_file,
        cors_origins=reader.origins("CORS_ALLOW_ORIGINS"),
        max_connections=reader.number("MAX_CONNECTIONS", 1_000, 100_000),
        operations_host=reader.text("OPS_HOST", "127.0.0.1"),
        operations_port=reader.optional_port("OPS_PORT"),
        log_level=reader.choice("LOG_LEVEL", ("info", *LEVELS)),
    )


def without_empty(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are set: an empty one counts as unset."""
    return {name: value for name, value in environ.items() if value}


def profile_of(environ: Mapping[str, str]) -> str:
    """The requested profile, valid or not."""
    return _Reader(without_empty(environ)).profile()


class _Reader:
    """Reads variables and collects their problems."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str | None) -> str:
        """`default` None: the variable is required."""
        if default is not None and name not in self._environ:
            return default
        value = self._environ.get(name, "")
        if not value or not value.isprintable() or value != value.strip():
            self.problems.append(
                f"{name} must be a text without control characters or blanks around it,"
                f" not {value[:80]!a}"
            )
            return ""
        return value

    def number(self, name: str, default: int, largest: int, smallest: int = 1) -> int:
        value = self._environ.get(name, str(default))
        # Bounded length: int() takes quadratic time, and refuses more than 4,300 digits.
        if re.fullmatch(r"[0-9]{1,9}", value) and smallest <= int(value) <= largest:
            return int(value)
        self.problems.append(
            f"{name} must be a number from {smallest} to {largest}, not {value[:40]!a}"
        )
        return default

    def identifier(self, name: str, default: str) -> str:
        value = self._environ.get(name, default)
        if _IDENTIFIER.fullmatch(value) and not value.lower().startswith("pg_"):
            return value
        self.problems.append(
            f"{name} must be 1 to 63 letters, digits and underscores, with no digit in front and"
            f" not beginning with pg_, not {value[:80]!a}"
        )
        return default

    def build(self, name: str) -> str:
        value = self._environ.get(name, "")
        if _BUILD.fullmatch(value):
            return value
        self.problems.append(
            f"{name} must be at most 64 letters, digits, dots, dashes and underscores,"
            f" not {value[:80]!a}"
        )
        return ""

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """One of `known`, whose first is the default."""
        value = self._environ.get(name, known[0])
        if value not in known:
            words = " or ".join(dict.fromkeys(known))
            self.problems.append(f"{name} must be {words}, not {value[:40]!a}")
        return value

    def root_certificates(self, name: str, sslmode: str) -> str:
        value = self._environ.get(name, "")
        if not value:
            if sslmode.startswith("verify-"):
                self.problems.append(f"{name} must be a file, as DB_SSLMODE is {sslmode}")
            return ""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            self.problems.append(
                f"{name} must be a readable file of certificates in PEM, not {value[:80]!a}"
            )
        return value

    def profile(self) -> str:
        """PROFILE, else the one profile of this service that is active in Spring's list."""
        if "PROFILE" in self._environ or "SPRING_PROFILES_ACTIVE" not in self._environ:
            return self.choice("PROFILE", PROFILES)
        value = self._environ["SPRING_PROFILES_ACTIVE"]
        active = {each.strip() for each in value.split(",")}.intersection(PROFILES)
        if len(active) == 1:
            return active.pop()
        self.problems.append(
            f"SPRING_PROFILES_ACTIVE must be a list with {' or '.join(PROFILES)} in it,"
            f" not {value[:40]!a}"
        )
        return value

    def optional_port(self, name: str) -> int | None:
        return self.number(name, 0, 65_535, smallest=0) if name in self._environ else None

    def origins(self, name: str) -> tuple[str, ...]:
        """Origins, separated by commas."""
        value = self._environ.get(name, "")
        origins = tuple(filter(None, (each.strip() for each in value.split(","))))
        if origins == ("*",) or all(map(_ORIGIN.fullmatch, origins)):
            return origins
        self.problems.append(
            f"{name} must be * or a list of origins, as in https://shop.example:8443,"
            f" not {value[:80]!a}"
        )
        return ()

    def tracing(self, name: str, ratio_name: str) -> TracingSettings | None:
        ratio = self._environ.get(ratio_name, "0.01")
        if not _RATIO.fullmatch(ratio) or float(ratio) > 1:
            self.problems.append(f"{ratio_name} must be a number from 0 to 1, not {ratio[:40]!a}")
            ratio = "0"
        value = self._environ.get(name, "")
        if not value:
            return None
        found = _COLLECTOR.fullmatch(value)
        if found is None:
            self.problems.append(
                f"{name} must be the URL of a collector, as in http://127.0.0.1:4318,"
                f" not {value[:80]!a}"
            )
        elif find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
            self.problems.append(f"{name} needs the extra otel: install strangler-facade[otel]")
        path = "" if found is not None and found[1] else "/v1/traces"
        return TracingSettings(f"{value.rstrip('/')}{path}", float(ratio))

    def password(self, name: str) -> str:
        value = self._environ.get(name, "")
        try:
            value.encode()
        except UnicodeEncodeError:
            self.problems.append(f"{name} must be UTF-8")
            return ""
        return value
