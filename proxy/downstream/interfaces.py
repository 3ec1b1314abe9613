"""The interfaces between a client connection, its active request, and the service that handles requests."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from proxy.downstream.proxy_protocol import ProxiedAddresses
from proxy.errors import RequestError
from proxy.http1.known_lines import KnownLines
from proxy.http1.local_reply import LocalReply
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_head import RequestHead
from proxy.model import HeaderPairs, Limits, Listener, Timeouts


class Drainable(Protocol):
    """A connection, as a listener that drains sees it. A lost connection removes itself from the listener's set."""

    def shutdown(self) -> None:
        """Close if no request is active and no byte of one has come, not even into the kernel's buffer.

        Called some times a second until the connection is gone.
        """

    def abort(self) -> None:
        """Close without sending what is buffered."""


class AcceptedConnection(asyncio.Protocol):
    """The protocol of an accepted connection, as its listener sees it."""

    __slots__ = ("ends_after_response", "proxied")

    ends_after_response: bool
    """The client sends no request after the one that is active."""
    proxied: ProxiedAddresses | None
    """The addresses that a balancer names. Set before `connection_made`."""


class Addresses(Protocol):
    """A set of IP addresses."""

    def __contains__(self, address: str, /) -> bool: ...


class ConnectionLimits(Protocol):
    """Limits of connections. A snapshot of the table has them."""

    @property
    def max_head_bytes(self) -> int:
        """The largest limit of a request head, of all routes."""

    @property
    def max_fields(self) -> int:
        """The largest limit of the number of header fields, of all routes."""

    @property
    def listener(self) -> Listener: ...

    @property
    def trusted(self) -> Addresses:
        """Addresses of trusted proxies: exempt from the limit of connections for each client."""


class Closable(Protocol):
    """A resource that ends with its owner."""

    def close(self) -> None: ...


class ClientConnection(Protocol):
    """A client connection, as its active request sees it."""

    peer: str
    """The address at the other end of the connection; 127.0.0.1 for a Unix socket."""
    scheme: str
    address: tuple[str, int] | None
    private: Closable | None
    """A resource of the service that belongs to this connection. Closed with it. None until the service sets it."""

    @property
    def server(self) -> tuple[str, int | None] | None:
        """The listener's own address."""

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

    def switch_protocols(self) -> None:
        """Parse the client's bytes no longer as HTTP: from now on they go to the request's `body` as they come."""

    def request_done(self, complete: bool, keep: bool, by_close: bool) -> None:
        """The request has ended; it calls nothing after this. `keep`: another request may follow on the connection.

        If not `complete`, the response was truncated, and the client has to notice. `by_close`: the response has no
        framing, so that only the end of the connection marks its end.
        """


class ActiveRequest(Protocol):
    """The request that a connection serves now. It ends with one call of `ClientConnection.request_done`."""

    @property
    def uploaded(self) -> bool:
        """Whether the whole request has come."""

    @property
    def received_bytes(self) -> int:
        """How many bytes of the body have come."""

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        """Time-outs and limits of the route; the defaults until the route is known."""

    def begin(self) -> None:
        """Start. The request may be over when this returns."""

    def body(self, data: bytes) -> None:
        """Bytes of the request's body; after `switch_protocols`, bytes of the other protocol."""

    def body_ended(self, trailers: HeaderPairs) -> None:
        """The whole request has come."""

    def refuse(self, error: RequestError) -> None:
        """End the request with a local reply. If the response has begun, truncate it instead."""

    def client_disconnected(self) -> None:
        """The client closed the connection."""

    def client_blocked(self, blocked: bool) -> None:
        """The client reads the response slower than it comes (True), or has caught up (False)."""

    def client_half_closed(self) -> None:
        """The client half-closed a tunnel."""

    def check_deadlines(self, now: float) -> None:
        """End the request if it has taken too long in all. `now` in seconds, monotonic."""


class RequestService(Protocol):
    """Serves the requests of a listener's connections: a tier of the facade, or an ASGI application."""

    @property
    def limits(self) -> ConnectionLimits:
        """The limits in effect now."""

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        """A new request, not begun yet. `body` is the whole body, if it came with the head; see `RequestSink`."""

    @property
    def known(self) -> KnownLines | None:
        """The known lines of the quick reader; None if the strict reader reads all requests."""

    def new_quick_request(self, client: ClientConnection, head: QuickHead) -> ActiveRequest:
        """A new request, not begun yet, whose head the quick reader has read."""

    def refusal(self, error: RequestError) -> LocalReply:
        """The response to bytes that never became a request."""
