"""Properties of the database and the server that no migration changes, checked at the start."""

import logging

from flightspecial_service.errors import UnfitDatabase
from flightspecial_service.infrastructure.postgres.connector import Session, behind_pooler
from flightspecial_service.settings import DatabaseSettings

log = logging.getLogger(__name__)

# The limits of the server, of the database and of the role; -1 is none.
_CONNECTIONS = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user))
"""


async def check_server(session: Session, settings: DatabaseSettings) -> None:
    """Raise UnfitDatabase if the encoding is not UTF8; warn of a pool that the server does not allow."""
    encoding = await session.fetchval("SELECT current_setting('server_encoding')")
    if encoding != "UTF8":
        raise UnfitDatabase(
            f"the database {settings.name} has the encoding {encoding}, which cannot store every text:"
            " create it with ENCODING 'UTF8'"
        )
    if await behind_pooler(session):
        return
    allowed: int = await session.fetchval(_CONNECTIONS)
    if settings.pool_size + 1 > allowed:
        log.warning(
            "DB_POOL_SIZE is %d, and readiness needs one connection more,"
            " but PostgreSQL allows only %d",
            *(settings.pool_size, allowed),
        )
