"""A backend: its endpoints, its TLS, what it may see."""

import ssl
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct


class Endpoint(Struct, frozen=True):
    """One address of a backend: host and port, or a Unix socket."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    unix_path: str | None = None

    @property
    def authority(self) -> str:
        """As in a Host header: without the scheme's own port, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Allow(Struct, frozen=True):
    """Which names a backend may see: all, or `only` these, never those of `remove`. Lower case for headers."""

    only: frozenset[str] | None = None
    remove: frozenset[str] = frozenset()

    def passes(self, name: str) -> bool:
        return name not in self.remove and (self.only is None or name in self.only)


ALLOW_ALL = Allow()


class BackendTls(Struct, frozen=True):
    """How an https backend is spoken to. Its certificate is always verified.

    Paths are as they stand in the file, relative to its folder; in a table that serves they are absolute.
    """

    ca_file: str | None = None
    """The only authorities that are trusted; None is the system's."""
    cert_file: str | None = None
    key_file: str | None = None
    """None where the key stands in `cert_file`."""
    server_name: str | None = None
    """The name for SNI and for the check of the certificate; None is the endpoint's host."""
    content: str = ""
    """A hash of what the files held when they were read: new files are another value."""


class Backend(Struct, frozen=True):
    """A system that answers: the monolith, the new service."""

    name: str
    endpoints: tuple[Endpoint, ...]
    preserve_host: bool = False
    """Send the client's Host on, instead of the endpoint's own."""
    max_connections: int = 100
    max_pending_requests: int = 1024
    headers: Allow = ALLOW_ALL
    cookies: Allow = ALLOW_ALL
    tls: BackendTls | None = None
    idle_timeout_s: float = 2.5
    """Half of the common 5 s of servers (finding 17)."""


TlsKey = Literal["ca_file", "cert_file", "key_file"]


TLS_KEYS: tuple[TlsKey, ...] = ("ca_file", "cert_file", "key_file")


class TlsFile(Struct, frozen=True):
    """A file that a backend's `tls` names, and where it does."""

    backend: str
    key: TlsKey
    path: str
    line: int
    column: int


TlsContexts = Mapping[BackendTls | None, ssl.SSLContext]
"""How connections to backends are encrypted, by the `tls` of a backend; None is https without any."""

FileSignatures = Mapping[str, tuple[int, ...]]
"""Files that were read, by path, each with a value that changes when the file does."""
