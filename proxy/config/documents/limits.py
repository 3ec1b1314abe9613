"""Timeouts and limits, of the table and of a route."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from proxy.config.documents.base import Doc, RuledDoc
from proxy.config.faults import Fault
from proxy.config.units import Duration, Size


class TimeoutsDoc(RuledDoc):
    """How long things may take. What is not given is taken from `defaults`."""

    connect: Annotated[float, Duration("1ms", "1m")] | None = Field(
        default=None, description="Until a connection stands; 2s if not given"
    )
    request: Annotated[float, Duration("1ms", "1d")] | None = Field(
        default=None, description="From the request to the answer's head; 15s if not given"
    )
    backend_request: Annotated[float, Duration("1ms", "1d")] | None = Field(
        default=None, description="The same for one attempt; 15s, or `request` if that is shorter"
    )
    stream_idle: Annotated[float, Duration("1ms", "1d")] | None = Field(
        default=None, description="Each silence of a body; 60s if not given"
    )

    def faults(self) -> Iterator[Fault]:
        attempt, whole = self.backend_request, self.request
        if attempt is not None and whole is not None and attempt > whole:
            text = "one attempt is given longer than the whole request"
            yield Fault(("backend_request",), text, "make it as short as `request`, or shorter")


class LimitsDoc(Doc):
    """How large a request may be. What is not given is taken from `defaults`."""

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
