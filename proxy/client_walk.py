"""What a client's connection asks of the request that it has begun, and what is asked of the connection itself."""

from typing import Protocol

from proxy.errors import RequestError
from proxy.model import HeaderPairs, Limits, Timeouts


class Drainable(Protocol):
    """What is asked of a connection by whoever ends all of them. It leaves the listener's set when it is lost."""

    def shutdown(self) -> None:
        """Close if nothing of a request has come, the kernel's buffer included; else this one is the last.

        Called some times a second until the connection is gone.
        """

    def abort(self) -> None:
        """Be gone."""


class ClientWalk(Protocol):
    """What a connection asks of the request that it has begun. It ends once, with `ClientEnd.walk_over`."""

    @property
    def uploaded(self) -> bool:
        """The request is complete."""

    @property
    def received_bytes(self) -> int:
        """Of its body."""

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        """What its route allows."""

    def begin(self) -> None:
        """Take the first steps. It may be over when this returns."""

    def body(self, data: bytes) -> None:
        """Some of the request's body; or, once `switched`, whatever the client sends."""

    def body_ended(self, trailers: HeaderPairs) -> None: ...

    def refuse(self, error: RequestError) -> None:
        """End with an answer of the facade's own, or, if one has begun, by cutting it short."""

    def gone(self) -> None:
        """The client left."""

    def client_blocked(self, blocked: bool) -> None:
        """The client takes the answer slower than it comes."""

    def client_shut(self) -> None:
        """The client has said all it will over a tunnel."""

    def swept(self, now: float) -> None:
        """Judge the time of the request as a whole."""
