"""Readiness of the service: it has started, and its database answers."""

from collections.abc import Collection

from flightspecial_service.background.startup import Startup
from flightspecial_service.errors import Unavailable
from flightspecial_service.infrastructure.postgres.database import Database


class DatabaseReadiness:
    """Ready: the start is complete, the database answers, and `versions` are applied to it."""

    def __init__(self, startup: Startup, database: Database, versions: Collection[str]) -> None:
        self._startup = startup
        self._database = database
        self._versions = versions

    async def check(self) -> None:
        """Raise Unavailable unless ready."""
        if self._startup.missing is not None:
            raise Unavailable(str(self._startup.missing))
        await self._database.check(self._versions)
