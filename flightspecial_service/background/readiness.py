"""Readiness of the service: it has started, and its database serves it."""

from collections.abc import Sequence

from flightspecial_service.background.startup import Startup
from flightspecial_service.errors import NotMigrated, Unavailable
from flightspecial_service.infrastructure.migrations.history_table import applied_rows
from flightspecial_service.infrastructure.migrations.scripts import Applied, Script, unapplied
from flightspecial_service.infrastructure.postgres.connector import Session
from flightspecial_service.infrastructure.postgres.database import Database


class DatabaseReadiness:
    """Ready: the start is complete, and the database accepts writes and has all versions of `scripts`."""

    def __init__(
        self, startup: Startup, database: Database, schema: str, scripts: Sequence[Script]
    ) -> None:
        self._startup = startup
        self._database = database
        self._schema = schema
        self._scripts = scripts

    async def check(self) -> None:
        """Raise Unavailable unless ready."""
        if self._startup.missing is not None:
            raise Unavailable(str(self._startup.missing))
        if unapplied(self._scripts, await self._database.probe(self._history)):
            raise NotMigrated("the database has not been migrated for this version")

    async def _history(self, session: Session) -> list[Applied]:
        return await applied_rows(session, self._schema)
