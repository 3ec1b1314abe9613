"""Liveness and readiness."""

from typing import Protocol

from msgspec import Struct

from flightspecial_service.errors import Unavailable
from flightspecial_service.interface.api.schemas import json_response
from flightspecial_service.interface.http.messages import Request, Response
from flightspecial_service.interface.http.middleware import Drain


class Readiness(Protocol):
    """Reports whether requests can be served."""

    async def check(self) -> None:
        """Raise Unavailable, with the reason, if they cannot. Returns within a bounded time."""


class Probe(Struct, frozen=True):
    """The answer of a probe."""

    status: str


class Probes:
    """The probes, on both listeners.

    Liveness does not query the database, as restarting the service does not repair it. Readiness
    fails during the drain, so that load balancers remove the replica before it stops listening.
    """

    def __init__(self, readiness: Readiness, drain: Drain) -> None:
        self._readiness = readiness
        self._drain = drain

    async def live(self, request: Request) -> Response:
        """The process answers."""
        return json_response(Probe("alive"))

    async def ready(self, request: Request) -> Response:
        """The database is reachable and migrated."""
        if self._drain.on:
            raise Unavailable("the service is stopping")
        await self._readiness.check()
        return json_response(Probe("ready"))
