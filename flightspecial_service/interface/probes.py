"""For who runs the service: is it alive, may it get requests."""

from typing import Protocol

from flightspecial_service.interface.exchange import Answer, Call
from flightspecial_service.interface.wire import json_answer


class Readiness(Protocol):
    """Knows whether requests can be answered."""

    async def check(self) -> None:
        """Raise Unavailable, with the reason, if they cannot. Takes a bounded time."""


class Probes:
    """The two probes. Liveness asks nothing of the database: a restart here does not mend it."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def live(self, call: Call) -> Answer:
        """The process answers."""
        return json_answer({"status": "alive"})

    async def ready(self, call: Call) -> Answer:
        """The database is reachable and migrated."""
        await self._readiness.check()
        return json_answer({"status": "ready"})
