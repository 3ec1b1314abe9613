"""Timeouts and limits, of the listener, of the table and of a route."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from proxy.config.documents.base import Doc, RuledDoc
from proxy.config.faults import Fault
from proxy.config.units import Duration, Size


class TimeoutsDoc(RuledDoc):
    """Timeouts of requests. A value that is not given is taken from `defaults`."""

    connect: Annotated[float, Duration("1ms", "1m")] | None = Field(
        default=None, description="Time for opening a connection; 2s if not given"
    )
    request: Annotated[float, Duration("1ms", "1d")] | None = Field(
        default=None,
        description="From the end of the request to the head of the response; 60s if not given",
    )
    backend_request: Annotated[float, Duration("1ms", "1d")] | None = Field(
        default=None, description="The same for one attempt; as long as `request` if not given"
    )
    stream_idle: Annotated[float, Duration("1ms", "1d")] | None = Field(
        default=None, description="Each pause in a response body; 60s if not given"
    )
    body_idle: Annotated[float, Duration("1ms", "1d")] | None = Field(
        default=None, description="Each pause in a request body; 30s if not given"
    )
    total: Annotated[float, Duration("1ms", "30d")] | None = Field(
        default=None,
        description="From the head of the request to the end of the response; 1h if not given",
    )
    tunnel_idle: Annotated[float, Duration("1ms", "30d")] | None = Field(
        default=None, description="Silence in both directions of a WebSocket; 1h if not given"
    )

    def faults(self) -> Iterator[Fault]:
        attempt, whole = self.backend_request, self.request
        if attempt is not None and whole is not None and attempt > whole:
            text = "one attempt is given longer than the whole request"
            yield Fault(("backend_request",), text, "make it as short as `request`, or shorter")
        if self.total is not None and whole is not None and whole > self.total:
            text = "the wait for the answer's head is given longer than all of it"
            yield Fault(("request",), text, "make it as short as `total`, or shorter")


class LimitsDoc(Doc):
    """Limits of requests. A value that is not given is taken from `defaults`."""

    max_header_bytes: Annotated[int, Size("256B", "1MiB")] | None = Field(
        default=None, description="All headers together; 32KiB if not given"
    )
    max_headers: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="The number of headers; 100 if not given"
    )
    max_uri_bytes: Annotated[int, Size("64B", "64KiB")] | None = Field(
        default=None, description="Path and query; 8KiB if not given"
    )
    max_body_bytes: Annotated[int, Size("0B", "1024GiB")] | None = Field(
        default=None, description="The body; 50MiB if not given"
    )
    min_body_rate: Annotated[int, Size("0B", "1GiB", "B")] | None = Field(
        default=None,
        description="Bytes a second of a body, on average, after 5s; 240B if not given, 0B for no limit",
    )


class ListenerDoc(Doc):
    """Limits of client connections, for each worker."""

    head_timeout: Annotated[float, Duration("100ms", "5m")] = Field(
        default=10.0, description="From the first byte of a request to the end of its head"
    )
    idle_timeout: Annotated[float, Duration("100ms", "1d")] = Field(
        default=75.0, description="How long a connection is kept open between two requests"
    )
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=10_000, description="Concurrent connections; more get a 503"
    )
    max_connections_per_client: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=2_000,
        description="Concurrent connections of one address; trusted proxies are exempt",
    )
