"""The interfaces of an upstream: the same for our own client and for httpx transports."""

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from proxy.errors import UpstreamError
from proxy.http1.response_head import ResponseHead
from proxy.http1.response_parser import ResponseSink
from proxy.model import HeaderPairs, Outgoing

OnOutcome = Callable[[int], None]
"""Called with the status of each response of an endpoint, or with 0 for a request without a complete response."""


class Stats(Struct, frozen=True):
    """The connections of one upstream, by state. `pending` are requests that wait for a connection."""

    connections: int = 0
    idle: int = 0
    in_flight: int = 0
    pending: int = 0
    tolerated: Mapping[str, int] = {}
    """How often each deviation of a response was tolerated."""
    streams: int = 0
    """Those in flight whose response has begun, and not ended."""
    tunnels: int = 0
    """Switched connections. They are not among `connections`."""

    def __add__(self, other: "Stats") -> "Stats":
        return Stats(
            self.connections + other.connections,
            self.idle + other.idle,
            self.in_flight + other.in_flight,
            self.pending + other.pending,
            _sum(self.tolerated, other.tolerated),
            self.streams + other.streams,
            self.tunnels + other.tunnels,
        )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    if not (one and other):
        return one or other
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


class ExchangeSink(ResponseSink, Protocol):
    """Receives the events of one exchange from its connection.

    The last call is exactly one of `response_complete`, `response_ended` and `response_failed`; after
    `Connection.abort` there is none. After its last call the sink must not use the connection: it may serve another
    exchange.
    """

    def backend_half_closed(self) -> None:
        """After a 101: the backend sends no more bytes, but it still reads."""

    def response_failed(self, error: UpstreamError) -> None:
        """There is no response, or it was truncated."""

    def upload_paused(self) -> None:
        """The backend reads the request slower than it comes. Write no more for now."""

    def upload_resumed(self) -> None:
        """The backend has caught up. Write again."""

    def elapsed(self, seconds: float) -> None:
        """Called some times a second by the sweep: seconds since the exchange began."""


class Exchange(Protocol):
    """One request to one backend, and its response. One task reads the response; another may write the request."""

    on_elapsed: Callable[[float], None] | None
    """Called some times a second, with the seconds since the exchange began."""
    on_1xx: Callable[[int, HeaderPairs], None] | None
    """Called for each interim response."""

    @property
    def has_body(self) -> bool:
        """Whether the request has a body. Send it with `send_body`, then call `end_upload`."""

    @property
    def attempts(self) -> int:
        """How often the request was sent, or an endpoint had no connection for it."""

    @property
    def address(self) -> str:
        """The endpoint that the request was sent to last."""

    @property
    def trailers(self) -> HeaderPairs:
        """The trailers of the response. Known after `next_chunk` has returned None."""

    @property
    def unread_s(self) -> float:
        """For how long the response has waited for a call of `next_chunk`. This time is not the backend's."""

    @property
    def complete(self) -> bool:
        """Whether the response is complete and the whole body was taken."""

    async def head(self) -> ResponseHead:
        """The head of the final response. Raises UpstreamError."""

    def take(self) -> bytes:
        """The bytes of the body that have come since the last call, maybe none. Does not wait."""

    async def next_chunk(self) -> bytes | None:
        """The bytes of the body since the last call, at least one; None at its end. Raises UpstreamError."""

    async def send_body(self, data: bytes) -> None:
        """Send bytes of the request's body, unframed. Waits while the backend is slower. Ignored after the response.

        Raises UpstreamError, or BadRequest for more bytes than Content-Length.
        """

    def end_upload(self) -> None:
        """The request's body is complete. Raises BadRequest for fewer bytes than Content-Length."""

    def abort(self) -> None:
        """Give the exchange up, and close its connection. Does nothing when the exchange is complete."""


class Upstream(Protocol):
    """The client for one backend."""

    async def open(self, request: Outgoing) -> Exchange:
        """Send the head of a request. Raises UpstreamError, or BadRequest for a head that cannot be sent."""

    async def aclose(self, grace_s: float) -> None:
        """Close idle connections, let exchanges finish within `grace_s` seconds, then abort them."""

    def stats(self) -> Stats: ...
