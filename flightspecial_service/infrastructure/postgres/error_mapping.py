"""Foreign errors stop here: what asyncpg and the socket raise becomes one of ours.

After a restart of the server, what was in flight fails with 08003, connecting with ECONNREFUSED
while it is down and with 57P03 while it starts. A pool recovers by itself with the next query.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from flightspecial_service.errors import Conflicted, Exhausted, NotMigrated, Unavailable

_OUTAGE = (
    "08",  # connection exception
    "25006",  # a read-only transaction: a standby, or a disk that is full
    "28",  # the password is being rotated
    "3D000",  # the database is not there (yet)
    "40",  # rolled back: deadlock, serialization; 40003 is a commit whose end is unknown
    "53",  # insufficient resources, too many connections among them
    "55P03",  # a lock was not to be had in time
    "57",  # operator intervention: shut down, starting up, cancelled
    "58",  # system error: the disk
)
_CONFLICTS = ("40001", "40P01")
"""Serialization and deadlock: the whole transaction may be tried again."""
_NO_TABLES = ("3F000", "42P01", "42703")
"""No such schema, table or column."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn a foreign error that waiting may cure into Unavailable; others are bugs and pass."""
    try:
        yield
    except asyncpg.PostgresError as error:
        ours = _ours(error)
        if ours is None:
            raise
        raise ours from error
    except TimeoutError as error:
        raise Unavailable("the database did not answer in time") from error
    except OSError as error:
        raise Unavailable("the database cannot be reached") from error
    except asyncpg.InterfaceError as error:
        # Exactly this class is what asyncpg raises on a connection that closed meanwhile.
        if type(error) is not asyncpg.InterfaceError:
            raise
        raise Unavailable("the connection to the database was closed") from error
    except asyncpg.InternalClientError as error:
        # A server that shuts down says so on idle connections, too. One that is used in the moment between
        # these words and the end of the connection fails like this (asyncpg's issue 1069).
        raise Unavailable("the connection to the database was closing") from error


def _ours(error: asyncpg.PostgresError) -> Unavailable | None:
    """What a refusal of the server's is to us; None if it is a bug."""
    state = error.sqlstate or ""
    if state in _NO_TABLES:
        return NotMigrated("the database has not been migrated for this version")
    if state == "53300":
        return Exhausted("the database has no connection left")
    if state in _CONFLICTS:
        return Conflicted("another request was in the way")
    return Unavailable("the database cannot serve this request now") if may_pass(error) else None


def may_pass(error: asyncpg.PostgresError) -> bool:
    """Whether the same statement may succeed later, on the same tables."""
    return (error.sqlstate or "").startswith(_OUTAGE)
