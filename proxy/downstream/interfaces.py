"""The interfaces between a client connection, the request that is active on it, and what serves requests."""

from collections.abc import Sequence
from typing import Protocol

from proxy.errors import RequestError
from proxy.http1.request_head import RequestHead
from proxy.model import HeaderPairs, Limits, Listener, Timeouts


class Drainable(Protocol):
    """A connection, as the drain of a listener sees it. A lost connection leaves the listener's set by itself."""

    def shutdown(self) -> None:
        """Close if no byte of a request has come, the kernel's buffer included; else the active request is the last.

        Called some times a second until the connection is gone.
        """

    def abort(self) -> None:
        """Close without sending what is buffered."""


class Addresses(Protocol):
    """A set of IP addresses."""

    def __contains__(self, address: str, /) -> bool: ...


class ConnectionLimits(Protocol):
    """Limits of connections. A snapshot of the table has them."""

    @property
    def max_head_bytes(self) -> int:
        """The largest request head that some route takes."""

    @property
    def max_fields(self) -> int:
        """The most header fields that some route takes."""

    @property
    def listener(self) -> Listener: ...

    @property
    def trusted(self) -> Addresses:
        """Addresses of trusted proxies: exempt from the limit of connections for each client."""


class ClientConnection(Protocol):
    """A client connection, as the request that is active on it sees it."""

    peer: str
    """The address at the other end; empty for a Unix socket."""
    scheme: str
    address: tuple[str, int] | None
    server: tuple[str, int | None] | None
    state: object
    """A place for the service to keep what it knows of the connection. None until the service sets it."""

    @property
    def draining(self) -> bool:
        """Whether responses ask clients to reconnect."""

    def write(self, data: bytes) -> None:
        """Send bytes of the response."""

    def write_all(self, pieces: Sequence[bytes]) -> None:
        """Send several pieces without joining them."""

    def write_eof(self) -> None:
        """Half-close after what is written."""

    def pause_reading(self) -> None:
        """Read no more of the request's body for now."""

    def resume_reading(self) -> None: ...

    def switched(self) -> None:
        """From here on the client's bytes are of another protocol, and go to the request's `body`."""

    def request_done(self, whole: bool, keep: bool, by_close: bool) -> None:
        """The request's last call. Not `whole`: the response was truncated, and the client has to notice.

        `by_close`: only the end of the connection ends the response.
        """


class ActiveRequest(Protocol):
    """The request that is active on a connection. It ends once, with `ClientConnection.request_done`."""

    @property
    def uploaded(self) -> bool:
        """Whether the request is complete."""

    @property
    def received_bytes(self) -> int:
        """Bytes of its body so far."""

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        """What its route allows; the defaults until the route is known."""

    def begin(self) -> None:
        """Start. The request may be over when this returns."""

    def body(self, data: bytes) -> None:
        """Take bytes of the request's body; after `switched`, any bytes of the client."""

    def body_ended(self, trailers: HeaderPairs) -> None:
        """The request is complete."""

    def refuse(self, error: RequestError) -> None:
        """End with a local reply; or truncate the response, if it has begun."""

    def client_disconnected(self) -> None:
        """The client closed the connection."""

    def client_blocked(self, blocked: bool) -> None:
        """The client reads the response slower than it comes, or has caught up."""

    def client_shut(self) -> None:
        """The client half-closed a tunnel."""

    def check_deadlines(self, now: float) -> None:
        """Check the time of the whole request. `now` in seconds, monotonic."""


class RequestService(Protocol):
    """Serves the requests of a listener's connections: a tier of the facade, or an ASGI application."""

    @property
    def limits(self) -> ConnectionLimits:
        """The limits in effect now."""

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        """A request that has not begun. `body` is the whole body, if it came with the head; see `RequestSink`."""
