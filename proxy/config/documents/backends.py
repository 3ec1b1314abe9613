"""Backends and cohorts."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field

from proxy.config.addresses import Hostname, Url
from proxy.config.documents.base import UNIQUE_ITEMS, Doc, RuledDoc, exactly_one, shared
from proxy.config.documents.headers import AllowCookiesDoc, AllowHeadersDoc
from proxy.config.expressions import FixedPath, ParameterName
from proxy.config.faults import Fault
from proxy.config.texts import CookieName, FilePath, HeaderName, Title, choice
from proxy.config.units import Duration
from proxy.model import Deviation, LoadBalancing

Tolerated = Annotated[Deviation, choice("deviation", *get_args(Deviation))]


class HealthCheckDoc(RuledDoc):
    """Active probes of each endpoint."""

    path: FixedPath = Field(description="The path of the probe; a 2xx response is healthy")
    interval: Annotated[float, Duration("100ms", "1h")] = Field(
        default=5.0, description="The time between two probes"
    )
    timeout: Annotated[float, Duration("10ms", "1m")] = Field(
        default=2.0, description="The timeout of a probe"
    )
    unhealthy_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="Consecutive failures after which an endpoint is not used"
    )
    healthy_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2, description="Consecutive successes after which it is used again"
    )

    def faults(self) -> Iterator[Fault]:
        if self.timeout > self.interval:
            yield Fault(("timeout",), "the timeout is longer than the interval", "shorten it")


class CircuitBreakersDoc(Doc):
    """Limits that keep a slow backend from slowing down the others."""

    max_connections: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1024, description="Connections to the backend, per worker; not those of WebSockets"
    )
    max_tunnels: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=4096, description="WebSockets to the backend, per worker; more get a 503"
    )
    max_pending_requests: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=1024, description="Requests that wait for a connection; more get a 503"
    )


class OutlierDetectionDoc(RuledDoc):
    """Temporary ejection of endpoints by the outcomes of their requests."""

    consecutive_5xx: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5,
        description="Consecutive failures, 5xx or without a response, after which an endpoint is ejected",
    )
    consecutive_gateway_failure: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="The same for 502, 503, 504 and failures without a response alone",
    )
    interval: Annotated[float, Duration("100ms", "1h")] = Field(
        default=10.0, description="The time between two comparisons of the endpoints"
    )
    base_ejection_time: Annotated[float, Duration("100ms", "1h")] = Field(
        default=30.0,
        description="The duration of an ejection, times the number of ejections so far",
    )
    max_ejection_time: Annotated[float, Duration("100ms", "1d")] | None = Field(
        default=None,
        description="The longest ejection; 300s, or `base_ejection_time` if that is longer",
    )
    max_ejection_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        default=10,
        description="The percentage of endpoints that may be ejected together; one always may",
    )
    success_rate_minimum_hosts: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="Endpoints with enough requests that a comparison of success needs"
    )
    success_rate_request_volume: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=100, description="Requests in an interval that are enough"
    )
    success_rate_stdev_factor: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=1900,
        description="Thousandths of a standard deviation below the mean success rate; less is ejected",
    )
    failure_percentage_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=85, description="The percentage of failures from which an endpoint is ejected"
    )
    failure_percentage_minimum_hosts: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="Endpoints with enough requests that this needs"
    )
    failure_percentage_request_volume: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=50, description="Requests in an interval that are enough"
    )

    def faults(self) -> Iterator[Fault]:
        longest = self.max_ejection_time
        if longest is not None and longest < self.base_ejection_time:
            text = "the longest ejection is shorter than the first one"
            yield Fault(("max_ejection_time",), text, "write at least `base_ejection_time`")


class SlowStartDoc(Doc):
    """An endpoint that is available again gets its share of requests gradually."""

    window: Annotated[float, Duration("1s", "1h")] = Field(
        description="The time until it has its full share"
    )
    min_weight_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="The percentage of its share at the beginning"
    )


class TlsDoc(RuledDoc):
    """TLS towards an https backend. Its certificate is always verified."""

    ca_file: FilePath | None = Field(
        default=None, description="PEM file of the only authorities to trust"
    )
    cert_file: FilePath | None = Field(default=None, description="PEM file of a client certificate")
    key_file: FilePath | None = Field(
        default=None, description="PEM file of its private key, if `cert_file` has none"
    )
    server_name: Hostname | None = Field(
        default=None,
        description="The name for SNI and in the certificate, if not that of the address",
    )

    def faults(self) -> Iterator[Fault]:
        if self.key_file is not None and self.cert_file is None:
            hint = "add `cert_file:`, or leave the key out"
            yield Fault(("key_file",), "a `key_file` without a `cert_file`", hint, on_key=True)


class SessionAffinityDoc(Doc):
    """Keeps a client with the endpoint that served it first."""

    cookie: CookieName = Field(
        description="The name of a cookie of the facade; backends do not get it"
    )


class BackendDoc(RuledDoc):
    """A system behind the facade: the monolith or a new service."""

    url: Url | None = Field(default=None, description="Its address, if it has one")
    endpoints: Annotated[list[Url], UNIQUE_ITEMS] | None = Field(
        default=None, description="Its addresses, if it has several"
    )
    preserve_host: bool = Field(
        default=True, description="Forward the client's Host; `false`: the endpoint's authority"
    )
    health_check: HealthCheckDoc | None = Field(default=None, description="Active probes")
    circuit_breakers: CircuitBreakersDoc = Field(
        default_factory=shared(CircuitBreakersDoc()),
        description="Limits of connections and waiting requests",
    )
    outlier_detection: OutlierDetectionDoc | None = Field(
        default=None, description="Ejection of endpoints that respond with errors"
    )
    slow_start: SlowStartDoc | None = Field(
        default=None, description="A gradual return of endpoints that were not available"
    )
    healthy_panic_threshold: Annotated[int, Field(ge=0, le=100)] = Field(
        default=50,
        description="If a smaller percentage of endpoints is available, requests go to all",
    )
    idle_timeout: Annotated[float, Duration("100ms", "1h")] = Field(
        default=2.5,
        description="How long an idle connection to it is kept; at most half of its own idle timeout",
    )
    load_balancing: Annotated[
        LoadBalancing, choice("load balancing policy", *get_args(LoadBalancing))
    ] = Field(default="round_robin", description="The choice of an endpoint for a request")
    session_affinity: SessionAffinityDoc | None = Field(
        default=None, description="Keeps a client with one endpoint, by a cookie"
    )
    max_connection_age: Annotated[float, Duration("100ms", "30d")] | None = Field(
        default=None, description="The age from which a connection to it takes no further request"
    )
    tolerate: Annotated[list[Tolerated], UNIQUE_ITEMS] = Field(
        default_factory=list,
        description="Deviations from HTTP/1.1 in the heads of its responses that are accepted, and counted",
    )
    path_parameters: (
        Annotated[Literal["strip", "keep"], choice("policy for parameters", "strip", "keep")] | None
    ) = Field(
        default=None,
        description="`;name=value` in paths; `strip` for newcomers, `keep` for others if not given",
    )
    headers: AllowHeadersDoc = Field(
        default_factory=shared(AllowHeadersDoc()),
        description="The request headers that it receives",
    )
    cookies: AllowCookiesDoc = Field(
        default_factory=shared(AllowCookiesDoc()), description="The cookies that it receives"
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
        if self.slow_start is not None and not (self.health_check or self.outlier_detection):
            text = "`slow_start` for endpoints that are always available"
            hint = "add `health_check:` or `outlier_detection:`"
            yield Fault(("slow_start",), text, hint, on_key=True)


_SOURCES = ("cookie", "header", "path_parameter", "source_ip")


class HashKeyDoc(RuledDoc):
    """One source of the key of a cohort."""

    cookie: CookieName | None = Field(default=None, description="The value of this cookie")
    header: HeaderName | None = Field(default=None, description="The value of this header")
    path_parameter: ParameterName | None = Field(
        default=None, description="This parameter of the route's path template"
    )
    source_ip: Literal[True] | None = Field(default=None, description="The client's address")
    generate: bool = Field(default=False, description="Generate an id if the cookie is missing")
    ttl: Annotated[float, Duration("1m", "400d")] | None = Field(
        default=None, description="How long a generated cookie is kept; 30d if not given"
    )

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, _SOURCES, "a key of a cohort")
        if self.generate and self.cookie is None:
            yield Fault(("generate",), "only a cookie can be generated", "write `cookie:`")
        if self.ttl is not None and not self.generate:
            yield Fault(("ttl",), "`ttl` is for a generated cookie", "add `generate: true`")


class ReadYourWritesDoc(Doc):
    """After a write, the reads of the same client go to the backend of the write."""

    ttl: Annotated[float, Duration("1s", "1h")] = Field(description="The duration")
    key_file: FilePath | None = Field(
        default=None, description="File of the key that signs the cookie"
    )


class CohortDoc(RuledDoc):
    """A group of clients that move to the newcomer together."""

    salt: Title = Field(description="Text hashed with each key; another salt, another assignment")
    hash_policy: list[HashKeyDoc] = Field(
        description="Where the key is found; the first present one is used"
    )
    read_your_writes: ReadYourWritesDoc | None = Field(
        default=None, description="Send the reads of a writer to the backend of the write"
    )

    def faults(self) -> Iterator[Fault]:
        if not self.hash_policy:
            yield Fault(("hash_policy",), "no key is listed", "write at least one")
        for position, key in enumerate(self.hash_policy[:-1]):
            if key.generate or key.source_ip:
                what = "a generated cookie" if key.generate else "the client's address"
                text = f"{what} is always there, so no key after it is ever used"
                yield Fault(("hash_policy", position), text, "write it last")
