"""The interface of a pool towards its connections."""

from typing import TYPE_CHECKING, Protocol

from proxy.http1.response_parser import ResponseParser
from proxy.tick import WriteBatch
from proxy.upstream.outcomes import Outcomes

if TYPE_CHECKING:
    from proxy.upstream.connection import Connection


class ConnectionOwner(Protocol):
    """The pool of a connection, as the connection sees it."""

    backend: str
    idle_timeout_s: float
    max_age_s: float | None
    write_batch: WriteBatch
    outcomes: Outcomes

    def new_parser(self) -> ResponseParser:
        """A parser for the responses of one connection."""

    def release(self, connection: "Connection") -> None:
        """An exchange ended cleanly: the connection may be used again."""

    def discard(self, connection: "Connection") -> None:
        """The connection is closed, or about to be."""

    def add_tunnel(self, connection: "Connection") -> None:
        """The connection is a tunnel from now on. Raises UpstreamBusy."""

    def reserve(self, connection: "Connection") -> None:
        """The connection waits for the next request of its client connection."""

    def take_reserved(self, connection: "Connection") -> bool:
        """Whether it still waits and can be used. It does not wait after this."""
