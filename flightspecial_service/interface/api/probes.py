"""For who runs the service: is it alive, may it get requests."""

from typing import Protocol

from msgspec import Struct
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from flightspecial_service.errors import Unavailable
from flightspecial_service.interface.api.schemas import json_answer
from flightspecial_service.interface.http.messages import Answer, Call
from flightspecial_service.interface.http.middleware import Drain
from flightspecial_service.telemetry import Telemetry

_METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4.encode()


class Readiness(Protocol):
    """Knows whether requests can be answered."""

    async def check(self) -> None:
        """Raise Unavailable, with the reason, if they cannot. Takes a bounded time."""


class Probe(Struct, frozen=True):
    """The answer of a probe."""

    status: str


class Probes:
    """The probes and the metrics.

    Liveness asks nothing of the database: a restart here does not mend it. Readiness ends with the
    drain, so that balancers look elsewhere before the service stops to listen.
    """

    def __init__(self, readiness: Readiness, telemetry: Telemetry, drain: Drain) -> None:
        self._readiness = readiness
        self._telemetry = telemetry
        self._drain = drain

    async def live(self, call: Call) -> Answer:
        """The process answers."""
        return json_answer(Probe("alive"))

    async def ready(self, call: Call) -> Answer:
        """The database is reachable and migrated."""
        if self._drain.on:
            raise Unavailable("the service is stopping")
        await self._readiness.check()
        return json_answer(Probe("ready"))

    async def metrics(self, call: Call) -> Answer:
        """For Prometheus."""
        return Answer(200, self._telemetry.text(), ((b"content-type", _METRICS_TYPE),))
