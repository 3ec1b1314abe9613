"""What the rest of the facade sees of an upstream: one interface for our own client and foreign transports."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from proxy.errors import UpstreamError
from proxy.http1.response_head import ResponseHead
from proxy.http1.response_parser import ResponseSink
from proxy.model import HeaderPairs, Outgoing


class Stats(Struct, frozen=True):
    """Connections of one upstream, by what they do. `pending` are requests that wait for one."""

    connections: int = 0
    idle: int = 0
    in_flight: int = 0
    pending: int = 0

    def __add__(self, other: "Stats") -> "Stats":
        return Stats(
            self.connections + other.connections,
            self.idle + other.idle,
            self.in_flight + other.in_flight,
            self.pending + other.pending,
        )


class ExchangeSink(ResponseSink, Protocol):
    """Who hears the answer of one exchange, from the event loop and never after its end.

    The end is exactly one of `response_complete`, `response_ended` and `response_failed`, unless the sink itself called
    `Connection.abort`. From then on the connection belongs to somebody else: forget it.
    """

    def backend_shut(self) -> None:
        """After a 101: the backend has said all it will; it still listens."""

    def response_failed(self, error: UpstreamError) -> None:
        """No answer, or no more of it."""

    def upload_paused(self) -> None:
        """The upstream is slower than the upload: write no more for now."""

    def upload_resumed(self) -> None:
        """Write on."""

    def waited(self, seconds: float) -> None:
        """Called by the sweep, some times a second, while the exchange lasts: seconds since its beginning."""


class Exchange(Protocol):
    """One request to one backend, and its answer. One task reads, another may write."""

    on_wait: Callable[[float], None] | None
    """Called some times a second while the exchange lasts, with the seconds since its beginning."""
    on_1xx: Callable[[int, HeaderPairs], None] | None
    """Called for each interim answer."""

    @property
    def has_body(self) -> bool:
        """The request has a body to be sent: `send_body`, then `end_upload`."""

    @property
    def attempts(self) -> int:
        """How often the request was sent, or a connection for it tried."""

    @property
    def address(self) -> str:
        """Where it was sent last."""

    @property
    def trailers(self) -> HeaderPairs:
        """Fields after the body, known once `next_chunk` gave None."""

    @property
    def unread_s(self) -> float:
        """How long the answer has been held back for want of a `next_chunk`. Not the upstream's silence."""

    @property
    def over(self) -> bool:
        """The answer is complete, and all of it was taken."""

    async def head(self) -> ResponseHead:
        """The head of the final answer. Raises UpstreamError."""

    def take(self) -> bytes:
        """What has come of the body since, without waiting for more; maybe nothing."""

    async def next_chunk(self) -> bytes | None:
        """What has come of the body since, at least one byte; None at its end. Raises UpstreamError."""

    async def send_body(self, data: bytes) -> None:
        """Send raw body bytes on, at the pace of the upstream. Raises UpstreamError, or BadRequest past the
        announced length. What comes after the end of the answer is dropped."""

    def end_upload(self) -> None:
        """The request's body is complete. Raises BadRequest short of the announced length."""

    def abort(self) -> None:
        """Give it up, and its connection. Harmless when the exchange is over."""


class Upstream(Protocol):
    """One backend."""

    async def open(self, request: Outgoing) -> Exchange:
        """Send the head of a request. Raises UpstreamError, or BadRequest for what cannot be a head."""

    async def aclose(self, grace_s: float) -> None:
        """Close what is idle, give what is in flight `grace_s` seconds, then abort it."""

    def stats(self) -> Stats: ...
