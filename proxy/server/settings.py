"""The settings of `facade serve`. The command line reads them; no other module reads arguments or the environment."""

import hashlib
import hmac
import ipaddress
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from msgspec import Struct
from pydantic_core import PydanticCustomError

from proxy.config.addresses import read_network
from proxy.config.units import Duration
from proxy.errors import FacadeError
from proxy.model import Endpoint

DEFAULT_LISTEN = "127.0.0.1:8080"
DEFAULT_ADMIN = "127.0.0.1:9901"
MAX_WORKERS = 128

Tier = Literal["fast", "asgi"]
DashboardUse = Literal["edit", "read-only"]

# b64token of RFC 6750 2.1: needs no encoding after `Bearer `.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,1024}=*")
_HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
_RATIO = re.compile(r"[0-9](?:\.[0-9]{1,6})?")
_MAX_TOKEN_FILE_BYTES = 4096


class SettingsError(FacadeError):
    """A setting that cannot be used. The message is a sentence that names it and the reason."""


class Address(Struct, frozen=True):
    """The address of a listener. Port 0 stands for any free port, host `*` for all addresses of IPv4 and IPv6."""

    host: str
    port: int
    path: str = ""
    """Of a Unix socket, which has no host and port."""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. Names other than `localhost` are not resolved and count as public."""
        if self.host == "localhost" or self.path:
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


class Token(Struct, frozen=True):
    """The admin token, as its SHA-256: so it cannot be printed or logged by mistake."""

    sha256: bytes

    def matches(self, credentials: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.sha256, hashlib.sha256(credentials).digest())


class CertificateFiles(Struct, frozen=True):
    """PEM files: a certificate with its chain, and its private key."""

    cert: Path
    key: Path


class TlsFiles(Struct, frozen=True):
    """The PEM files of the traffic listener."""

    certificates: tuple[CertificateFiles, ...]
    """The first is for clients that name no server, or one that no certificate has."""
    client_ca: Path | None = None
    """The authorities of client certificates. If given, each client needs a certificate."""


class TracingSettings(Struct, frozen=True):
    """Where spans go, and which part of the requests gets one unless the client has decided."""

    endpoint: str
    """The collector's URL for traces, by OTLP over HTTP."""
    ratio: float = 0.01


class Settings(Struct, frozen=True):
    """All settings that are not in the route table."""

    routes: Path
    listen: Address
    admin: Address
    access_log: str = "-"
    """A file that is appended to, `-` for standard output, or `none`."""
    backends: tuple[tuple[str, Endpoint], ...] = ()
    """Endpoints that replace those of the table, by the name of the backend."""
    drain_s: float = 30.0
    """How long requests in flight may take once the facade stops accepting."""
    pause_s: float = 0.0
    """How long it accepts connections after SIGTERM although it is not ready: load balancers need time to react."""
    tier: Tier = "fast"
    workers: int = 1
    admin_token: Token | None = None
    """Required on the admin listener. Never None unless that listens on loopback."""
    dashboard: DashboardUse = "edit"
    """What the forms of the dashboard may do."""
    replicas: tuple[str, ...] = ()
    """URLs of the admin listeners of all replicas. The dashboard shows their tables."""
    tls: TlsFiles | None = None
    proxy_protocol: tuple[str, ...] = ()
    """Networks of balancers that begin each connection with a PROXY header."""
    tracing: TracingSettings | None = None
    notify_socket: str | None = None
    """The socket of the service manager (sd_notify), if one started this process."""


def parse_address(text: str) -> Address:
    """`127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`, `*:8080`, `unix:/run/facade.sock`. Raises SettingsError."""
    if text.startswith("unix:"):
        if not text.removeprefix("unix:").startswith("/"):
            raise SettingsError(
                f"{text!r} is no address: write an absolute path, like unix:/run/facade.sock"
            )
        return Address("", 0, text.removeprefix("unix:"))
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


def parse_seconds(text: str, low: str, high: str) -> float:
    """The seconds of a duration that is written as in the table: `250ms`, `30s`. Raises SettingsError."""
    try:
        return Duration(low, high).read(text)
    except PydanticCustomError as error:
        problem = error.context or {}
        raise SettingsError(f"{problem['text']}: {problem['hint']}") from None


def parse_collector(text: str) -> str:
    """A collector's URL, with the path for traces if it has none. Raises SettingsError."""
    try:
        url = urlsplit(text)
        has_place = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        has_place = False
    if not has_place or url.query or url.fragment or url.username or not text.isprintable():
        raise SettingsError(f"{text!r} is no collector: write its URL, like http://127.0.0.1:4318")
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise SettingsError("spans need the extra `otel`: install strangler-facade[otel]")
    return text if url.path not in ("", "/") else f"{text.rstrip('/')}/v1/traces"


def parse_replicas(text: str) -> tuple[str, ...]:
    """URLs or `host:port` of admin listeners, separated by commas. Raises SettingsError."""
    return tuple(_admin_url(each.strip()) for each in text.split(","))


def _admin_url(text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        is_address = parts.scheme == "http" and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        is_address = False
    if (
        not is_address
        or url != f"http://{parts.netloc}"
        or not _HOST_AND_PORT.fullmatch(parts.netloc)
    ):
        raise SettingsError(
            f"{text!r} is no admin listener: write its host and port, like facade-admin:9901"
        )
    return url


def parse_ratio(text: str) -> float:
    """Raises SettingsError."""
    if not _RATIO.fullmatch(text) or float(text) > 1:
        raise SettingsError(f"{text!r} is no part of requests: write a number from 0 to 1")
    return float(text)


def parse_workers(text: str) -> int:
    """Raises SettingsError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_WORKERS):
        raise SettingsError(f"{text!r} is no number of workers: write 1 to {MAX_WORKERS}")
    return int(text)


def parse_networks(text: str) -> tuple[str, ...]:
    """Networks or addresses, separated by commas. Raises SettingsError."""
    try:
        return tuple(read_network(each.strip()) for each in text.split(","))
    except PydanticCustomError as error:
        problem = error.context or {}
        raise SettingsError(f"{problem['text']}: {problem['hint']}") from None


def parse_tier(text: str) -> Tier:
    """Raises SettingsError."""
    for tier in get_args(Tier):
        if text == tier:
            return text  # type: ignore[return-value]
    raise SettingsError(f"{text!r} is no tier: write fast or asgi")


def parse_dashboard(text: str) -> DashboardUse:
    """Raises SettingsError."""
    for use in get_args(DashboardUse):
        if text == use:
            return text  # type: ignore[return-value]
    raise SettingsError(f"{text!r} is no use of the dashboard: write edit or read-only")


def read_token(path: Path) -> Token:
    """The token in a file, as its hash. Raises SettingsError."""
    return Token(hashlib.sha256(token_text(path).encode()).digest())


def token_text(path: Path) -> str:
    """The token in a file, without a newline at its end. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_TOKEN_FILE_BYTES).decode("latin-1").strip()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from None
    if not _TOKEN.fullmatch(text):
        raise SettingsError(
            f"{path} holds no token: write 16 to 1024 characters of A-Z a-z 0-9 . _ ~ + / -, "
            "as `openssl rand -hex 32` makes them"
        )
    return text
