"""The settings in the environment: four ports, the table's file, the data directory."""

import errno
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import BadSettings

HOST = "127.0.0.1"
DEFAULT_PORTS: Mapping[str, int] = {
    "FACADE_PORT": 8080,
    "ADMIN_PORT": 9901,
    "SERVICE_PORT": 8081,
    "LEGACY_PORT": 8082,
}
_FOLDER = "travelbuddy-facade"


@dataclass(frozen=True)
class Settings:
    """The ports, the path of the table and the data directory."""

    facade_port: int
    admin_port: int
    service_port: int
    legacy_port: int
    routes: Path
    data: Path


def read(environ: Mapping[str, str], here: Path, home: Callable[[], Path]) -> Settings:
    """Settings from the environment; relative paths count from `here`.

    `home` gives the caller's home directory or raises RuntimeError: not every account has one.

    Raises BadSettings with every problem at once.
    """
    problems: list[str] = []
    ports = {name: _port(name, environ, problems) for name in DEFAULT_PORTS}
    _refuse_twins(ports, problems)
    routes = here / (environ.get("FACADE_ROUTES") or "routes.yaml")
    if not routes.is_file():
        problems.append(f"FACADE_ROUTES: there is no file {routes}; name the route table's file.")
    data = _data(environ, here, home)
    if data is None:
        problems.append("DATA_DIR: this account has no home directory; name a directory for data.")
    if data is None or problems:
        raise BadSettings(tuple(problems))
    return Settings(
        facade_port=ports["FACADE_PORT"],
        admin_port=ports["ADMIN_PORT"],
        service_port=ports["SERVICE_PORT"],
        legacy_port=ports["LEGACY_PORT"],
        routes=routes,
        data=data,
    )


def check_ports(settings: Settings) -> None:
    """Raise BadSettings with a sentence for each port that cannot be listened on."""
    wanted = {
        "FACADE_PORT": settings.facade_port,
        "ADMIN_PORT": settings.admin_port,
        "SERVICE_PORT": settings.service_port,
        "LEGACY_PORT": settings.legacy_port,
    }
    problems = [reason for name, port in wanted.items() if (reason := _why_not(name, port))]
    if problems:
        raise BadSettings(tuple(problems))


def _port(name: str, environ: Mapping[str, str], problems: list[str]) -> int:
    """The port of `name`, 0 and a new problem when it is none."""
    text = environ.get(name) or str(DEFAULT_PORTS[name])
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535:
        return int(text)
    problems.append(f"{name} must be a port from 1 to 65535, not {text!r}.")
    return 0


def _refuse_twins(ports: Mapping[str, int], problems: list[str]) -> None:
    names: dict[int, list[str]] = {}
    for name, port in ports.items():
        names.setdefault(port, []).append(name)
    for port, sharing in names.items():
        if port and len(sharing) > 1:
            problems.append(f"{' and '.join(sharing)} are both {port}: each needs its own port.")


def _data(environ: Mapping[str, str], here: Path, home: Callable[[], Path]) -> Path | None:
    if chosen := environ.get("DATA_DIR"):
        return here / chosen
    shared = environ.get("XDG_DATA_HOME", "")
    if shared.startswith("/"):  # the XDG rule: a path that is not absolute counts as absent
        return Path(shared) / _FOLDER
    try:
        return home() / ".local/share" / _FOLDER
    except RuntimeError:
        return None


def _why_not(name: str, port: int) -> str | None:
    """The reason why `port` of loopback cannot be listened on; None if it can."""
    try:
        with socket.create_server((HOST, port)):
            return None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is in use: set {name} to a free one, as in `{name}=18080 make up`."
        return f"Port {port} cannot be used ({error.strerror}): set {name} to another one."
