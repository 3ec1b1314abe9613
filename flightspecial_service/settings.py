"""The settings, from the environment: every problem at once, and never a word of the password."""

import re
from collections.abc import Mapping

from msgspec import Struct

from flightspecial_service.errors import SettingsError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PROFILE_NAMES = ("PROFILE", "SPRING_PROFILES_ACTIVE")


class Secret:
    """A text that shows itself only to who asks by name; logs and tracebacks print `***`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"


class DatabaseSettings(Struct, frozen=True):
    """Where PostgreSQL is, as whom to speak to it, and how long each wait may take."""

    host: str = "localhost"
    port: int = 5432
    username: str = "postgres"
    password: Secret = Secret("")
    name: str = "dso"
    schema: str = "travelbuddy"
    pool_size: int = 10
    connect_timeout_s: float = 2.0
    acquire_timeout_s: float = 0.8
    """For a connection from the pool, connecting included: a client hears 503 within a second."""
    command_timeout_s: float = 5.0
    probe_timeout_s: float = 1.0
    close_timeout_s: float = 3.0
    migration_timeout_s: float = 60.0
    """For waiting for another replica's migrations and applying our own, together."""
    lock_timeout_s: float = 5.0
    """How long a migration may wait for a table that others use; they queue behind it meanwhile."""


class Settings(Struct, frozen=True):
    """Everything that differs between places where the service runs."""

    profile: str = "local"
    database: DatabaseSettings = DatabaseSettings()


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from variables. An unset one takes its default. Raises SettingsError."""
    reader = _Reader(environ)
    profile_name = next((name for name in _PROFILE_NAMES if name in environ), _PROFILE_NAMES[0])
    settings = Settings(
        profile=reader.choice(profile_name, ("local",)),
        database=DatabaseSettings(
            host=reader.text("DB_HOST", "localhost"),
            port=reader.number("DB_PORT", 5432, 65_535),
            username=reader.text("DB_USERNAME", "postgres"),
            password=Secret(reader.password("DB_PASSWORD")),
            name=reader.text("DB_DATABASE_NAME", "dso"),
            schema=reader.identifier("DB_DEFAULT_SCHEMA", "travelbuddy"),
            pool_size=reader.number("DB_POOL_SIZE", 10, 1_000),
        ),
    )
    if reader.problems:
        raise SettingsError(tuple(reader.problems))
    return settings


class _Reader:
    """Reads one variable after the other, and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        value = self._environ.get(name, default)
        if not value or not value.isprintable() or value != value.strip():
            self.problems.append(
                f"{name} must be a text without control characters or blanks around it,"
                f" not {value[:80]!a}"
            )
            return default
        return value

    def number(self, name: str, default: int, largest: int) -> int:
        value = self._environ.get(name, str(default))
        # The length bound keeps int() from a value of megabytes.
        if re.fullmatch(r"[0-9]{1,9}", value) and 1 <= int(value) <= largest:
            return int(value)
        self.problems.append(f"{name} must be a number from 1 to {largest}, not {value[:40]!a}")
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

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        value = self._environ.get(name, known[0])
        if value not in known:
            self.problems.append(f"{name} must be {' or '.join(known)}, not {value[:40]!a}")
        return value

    def password(self, name: str) -> str:
        value = self._environ.get(name, "")
        try:
            value.encode()
        except UnicodeEncodeError:
            self.problems.append(f"{name} must be UTF-8")
            return ""
        return value
