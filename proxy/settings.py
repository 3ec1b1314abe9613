"""What `facade serve` was asked to do. Made by the command line; nobody else reads arguments or environment."""

from pathlib import Path

from msgspec import Struct

from proxy.errors import FacadeError
from proxy.model import Endpoint

DEFAULT_LISTEN = "127.0.0.1:8080"
DEFAULT_ADMIN = "127.0.0.1:9901"


class SettingsError(FacadeError):
    """A setting that cannot be used; the sentence says which and why."""


class Address(Struct, frozen=True):
    """Where a listener stands. Port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Settings(Struct, frozen=True):
    """Everything that is not in the table."""

    routes: Path
    listen: Address
    admin: Address
    access_log: str = "-"
    """A file that is appended to, `-` for standard output, or `none`."""
    backends: tuple[tuple[str, Endpoint], ...] = ()
    """Endpoints that take the place of the table's, by backend name."""
    drain_s: float = 30.0
    """How long requests in flight may take after SIGTERM."""


def parse_address(text: str) -> Address:
    """`127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`. Raises SettingsError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise SettingsError(
            f"{text!r} is no address: write an IPv6 host in brackets, like [::1]:8080"
        )
    if not colon or not host:
        raise SettingsError(f"{text!r} is no address: write host:port, like {DEFAULT_LISTEN}")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise SettingsError(f"{text!r} is no address: the port is a number from 0 to 65535")
    return Address(host, int(port))
