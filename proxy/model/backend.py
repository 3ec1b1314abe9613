"""A backend: its endpoints, its TLS, the header fields and cookies that it receives."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    # An edit of a table needs none, and it takes 10 ms to import (ADR 26).
    import ssl

Deviation = Literal["folded_fields", "bare_lf", "space_before_colon", "repeated_content_length"]
"""A deviation from RFC 9112 in the heads of responses, which a table may tolerate of a backend."""


LoadBalancing = Literal["round_robin", "least_request", "hash"]
"""The choice of an endpoint: in turn, the one with the fewest requests, or by the client's address."""


class Endpoint(Struct, frozen=True):
    """One address of a backend: host and port, or a Unix socket."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    unix_path: str | None = None

    @property
    def authority(self) -> str:
        """Host and port as in a Host header: without the default port, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def label(self) -> str:
        """Its name in metrics, logs and `/readyz`."""
        return str(self) if self.unix_path is None else f"unix:{self.unix_path}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Allow(Struct, frozen=True):
    """Names that a backend receives: all, or those in `only`, but none in `remove`. Header names are in lower case."""

    only: frozenset[str] | None = None
    remove: frozenset[str] = frozenset()

    def passes(self, name: str) -> bool:
        return name not in self.remove and (self.only is None or name in self.only)


ALLOW_ALL = Allow()


class CookieRules(Allow, frozen=True):
    """The cookies that a backend receives and may set, by its own names for them."""

    renamed: tuple[tuple[str, str], ...] = ()
    """Each with the backend's name and the client's. They pass whatever `remove` and `only` say."""


ALL_COOKIES = CookieRules()


class BackendTls(Struct, frozen=True):
    """TLS towards an https backend. Its certificate is always verified.

    Paths are relative to the folder of the table; in a snapshot they are absolute.
    """

    ca_file: str | None = None
    """The only trusted authorities. None stands for those of the system."""
    cert_file: str | None = None
    key_file: str | None = None
    """None if `cert_file` holds the key."""
    server_name: str | None = None
    """The name for SNI and for the verification. None stands for the endpoint's host."""
    content: str = ""
    """A hash of the contents of the files. So changed files make another value."""


class HealthCheck(Struct, frozen=True):
    """Active probes of each endpoint."""

    path: str
    """Decoded."""
    interval_s: float = 5.0
    timeout_s: float = 2.0
    unhealthy_threshold: int = 3
    healthy_threshold: int = 2


class OutlierDetection(Struct, frozen=True):
    """Ejection of endpoints by the outcomes of their requests. Words and defaults are those of Envoy."""

    consecutive_5xx: int = 5
    consecutive_gateway_failure: int | None = None
    """None: gateway failures count among the 5xx only."""
    interval_s: float = 10.0
    base_ejection_time_s: float = 30.0
    max_ejection_time_s: float = 300.0
    max_ejection_percent: int = 10
    """One endpoint may always be ejected."""
    success_rate_minimum_hosts: int = 5
    success_rate_request_volume: int = 100
    success_rate_stdev_factor: int = 1900
    """Thousandths."""
    failure_percentage_threshold: int = 85
    failure_percentage_minimum_hosts: int = 5
    failure_percentage_request_volume: int = 50


class SlowStart(Struct, frozen=True):
    """The share of requests of an endpoint grows over `window_s`, from `min_weight_percent` to its full share."""

    window_s: float
    min_weight_percent: int = 10


class Backend(Struct, frozen=True):
    """A system behind the facade: the monolith, a new service."""

    name: str
    endpoints: tuple[Endpoint, ...]
    preserve_host: bool = True
    """Forward the client's Host instead of the endpoint's authority."""
    max_connections: int = 1024
    max_pending_requests: int = 1024
    headers: Allow = ALLOW_ALL
    cookies: CookieRules = ALL_COOKIES
    tls: BackendTls | None = None
    idle_timeout_s: float = 2.5
    """Half of 5 s, the default of many servers (finding 17)."""
    tolerate: frozenset[Deviation] = frozenset()
    max_tunnels: int = 4096
    """Switched connections (WebSockets). They do not count against `max_connections`."""
    max_connection_age_s: float | None = None
    """A connection that is older takes no further request. None is no limit."""
    load_balancing: LoadBalancing = "round_robin"
    affinity_cookie: str | None = None
    """The cookie of the facade that keeps a client with one endpoint."""
    health_check: HealthCheck | None = None
    outlier_detection: OutlierDetection | None = None
    slow_start: SlowStart | None = None
    panic_percent: int = 50
    """With a smaller percentage of available endpoints, requests go to all of them."""

    @property
    def is_monitored(self) -> bool:
        """Whether its endpoints can become unavailable."""
        return self.health_check is not None or self.outlier_detection is not None


TlsKey = Literal["ca_file", "cert_file", "key_file"]
TLS_KEYS: tuple[TlsKey, ...] = ("ca_file", "cert_file", "key_file")


class TlsFile(Struct, frozen=True):
    """A file in the `tls` of a backend, and its position in the table."""

    backend: str
    key: TlsKey
    path: str
    line: int
    column: int


TlsContexts = Mapping[BackendTls | None, "ssl.SSLContext"]
"""The TLS context for each `tls` of a backend. The key None is for https backends without `tls`."""

FileSignatures = Mapping[str, tuple[int, ...]]
"""Paths of files that were read, each with a value that changes with the file."""
