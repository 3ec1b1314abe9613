"""Backends and cohorts."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from proxy.config.addresses import Hostname, Url
from proxy.config.documents.base import NO_REPEATS, Doc, RuledDoc, exactly_one, shared
from proxy.config.documents.headers import AllowCookiesDoc, AllowHeadersDoc
from proxy.config.expressions import Path
from proxy.config.faults import Fault
from proxy.config.texts import CookieName, FilePath, HeaderName, Title
from proxy.config.units import Duration


class HealthCheckDoc(RuledDoc):
    """Active probes of each endpoint."""

    path: Path = Field(description="What is asked; an answer of 2xx is healthy")
    interval: Annotated[float, Duration("100ms", "1h")] = Field(
        default=5.0, description="From probe to probe"
    )
    timeout: Annotated[float, Duration("10ms", "1m")] = Field(
        default=2.0, description="How long a probe may take"
    )
    unhealthy_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="Failures in a row until an endpoint is left out"
    )
    healthy_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2, description="Successes in a row until it is taken back"
    )

    def faults(self) -> Iterator[Fault]:
        if self.timeout > self.interval:
            yield Fault(("timeout",), "the timeout is longer than the interval", "shorten it")


class CircuitBreakersDoc(Doc):
    """Bounds that keep one slow backend from taking everything down."""

    max_connections: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=100, description="Connections to the backend, per worker"
    )
    max_pending_requests: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=1024, description="Requests that wait for a connection; more get a 503"
    )


class OutlierDetectionDoc(Doc):
    """Endpoints that answer badly are left out for a while."""

    consecutive_5xx: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="Answers of 5xx in a row until an endpoint is ejected"
    )
    base_ejection_time: Annotated[float, Duration("1s", "1h")] = Field(
        default=30.0, description="How long, times the number of ejections so far"
    )


class TlsDoc(RuledDoc):
    """How an https backend is spoken to. Its certificate is always verified."""

    ca_file: FilePath | None = Field(
        default=None, description="PEM file of the only authorities to trust"
    )
    cert_file: FilePath | None = Field(default=None, description="PEM file of a client certificate")
    key_file: FilePath | None = Field(
        default=None, description="PEM file of its private key, if `cert_file` has none"
    )
    server_name: Hostname | None = Field(
        default=None, description="The name for SNI and in the certificate, if not the address's"
    )

    def faults(self) -> Iterator[Fault]:
        if self.key_file is not None and self.cert_file is None:
            hint = "add `cert_file:`, or leave the key out"
            yield Fault(("key_file",), "a `key_file` without a `cert_file`", hint, on_key=True)


class BackendDoc(RuledDoc):
    """A system that answers."""

    url: Url | None = Field(default=None, description="Its one address")
    endpoints: Annotated[list[Url], NO_REPEATS] | None = Field(
        default=None, description="Its addresses, where there are several"
    )
    preserve_host: bool = Field(
        default=False, description="Send the client's Host on, not the endpoint's own"
    )
    health_check: HealthCheckDoc | None = Field(default=None, description="Active probes")
    circuit_breakers: CircuitBreakersDoc = Field(
        default_factory=shared(CircuitBreakersDoc()),
        description="Bounds on connections and waiting requests",
    )
    outlier_detection: OutlierDetectionDoc | None = Field(
        default=None, description="Leave endpoints out that answer badly"
    )
    idle_timeout: Annotated[float, Duration("100ms", "1h")] = Field(
        default=2.5,
        description="How long an idle connection to it is kept; at most half of what it keeps one itself",
    )
    headers: AllowHeadersDoc = Field(
        default_factory=shared(AllowHeadersDoc()), description="Which request headers it may see"
    )
    cookies: AllowCookiesDoc = Field(
        default_factory=shared(AllowCookiesDoc()), description="Which cookies it may see"
    )
    tls: TlsDoc | None = Field(default=None, description="Certificates and names for https")

    def urls(self) -> list[str]:
        """Its addresses, however they were given."""
        return [self.url] if self.url is not None else list(self.endpoints or ())

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("url", "endpoints"), "a backend's address")
        if self.endpoints is not None and not self.endpoints:
            yield Fault(("endpoints",), "the list of endpoints is empty", "write at least one")
        schemes = {url.partition(":")[0] for url in self.urls()}
        if len(schemes) > 1:
            text = f"endpoints of different schemes: {', '.join(sorted(schemes))}"
            yield Fault(("endpoints",), text, "write two backends")
        if self.tls is not None and schemes and "https" not in schemes:
            yield Fault(("tls",), "`tls` without an https address", "write https://", on_key=True)


class HashKeyDoc(RuledDoc):
    """One place to find a key of a cohort."""

    cookie: CookieName | None = Field(default=None, description="The value of this cookie")
    header: HeaderName | None = Field(default=None, description="The value of this header")
    source_ip: Literal[True] | None = Field(default=None, description="The client's address")
    generate: bool = Field(default=False, description="Make up an id where the cookie is missing")
    ttl: Annotated[float, Duration("1m", "400d")] | None = Field(
        default=None, description="How long a generated cookie is kept; 30d if not given"
    )

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("cookie", "header", "source_ip"), "a key of a cohort")
        if self.generate and self.cookie is None:
            yield Fault(("generate",), "only a cookie can be generated", "write `cookie:`")
        if self.ttl is not None and not self.generate:
            yield Fault(("ttl",), "`ttl` is for a generated cookie", "add `generate: true`")


class ReadYourWritesDoc(Doc):
    """After a write, the writer reads from where the write went."""

    ttl: Annotated[float, Duration("1s", "1h")] = Field(description="For how long")


class CohortDoc(RuledDoc):
    """Who moves together."""

    salt: Title = Field(description="Text hashed with each key; another salt, another assignment")
    hash_policy: list[HashKeyDoc] = Field(description="Where the key is; the first present wins")
    read_your_writes: ReadYourWritesDoc | None = Field(
        default=None, description="Keep writers where they wrote"
    )

    def faults(self) -> Iterator[Fault]:
        if not self.hash_policy:
            yield Fault(("hash_policy",), "no key is listed", "write at least one")
        for position, key in enumerate(self.hash_policy[:-1]):
            if key.generate or key.source_ip:
                what = "a generated cookie" if key.generate else "the client's address"
                text = f"{what} is always there, so no key after it is ever used"
                yield Fault(("hash_policy", position), text, "write it last")
