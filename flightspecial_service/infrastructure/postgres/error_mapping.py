"""Maps errors of asyncpg and of sockets to errors of this package.

When the server restarts, statements in flight fail with SQLSTATE 08003, and connecting fails with
ECONNREFUSED while it is down and with 57P03 while it starts. The pool recovers with the next query.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from flightspecial_service.errors import (
    Busy,
    Conflicted,
    Exhausted,
    Invalid,
    NotMigrated,
    Unavailable,
    WritesRefused,
)

_OUTAGE = (
    "08",  # connection exception
    "28",  # invalid authorization: the password is being rotated
    "3D000",  # the database does not exist (yet)
    "40",  # transaction rollback: deadlock, serialization; 40003: unknown whether a commit completed
    "53",  # insufficient resources, for example too many connections
    "57",  # operator intervention: shutdown, starting up, cancelled
    "58",  # system error: the disk
)
_CONFLICTS = ("40001", "40P01")
"""Serialization failure and deadlock: the whole transaction may be retried."""
_NO_TABLES = ("3F000", "42P01", "42703")
"""Undefined schema, table, column."""
_NO_WRITES = ("25006", "53100")
"""Read-only transaction; disk full."""
_LIMITS = ("55P03", "57014")
"""Lock not available within the limit; statement cancelled, for example by its own limit."""
_BAD_VALUES = ("22001", "22003", "23514")
"""Text too long, number out of range, check constraint: rules that the tables have, but not the domain."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable for errors that may pass. Others are bugs and pass through unchanged.

    The detail of an error of the server is removed: it quotes rows, which must not reach the log.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        error.detail = None
        mapped = _mapped(error)
        if mapped is None:
            raise
        raise mapped from error
    except TimeoutError as error:
        raise Unavailable("the database did not answer in time") from error
    except OSError as error:
        raise Unavailable("the database cannot be reached") from error
    except asyncpg.InterfaceError as error:
        # asyncpg raises exactly this class, no subclass, on a connection that was closed meanwhile.
        if type(error) is not asyncpg.InterfaceError:
            raise
        raise Unavailable("the connection to the database was closed") from error
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise Unavailable("the database is read-only") from error
    except asyncpg.InternalClientError as error:
        # A server that shuts down sends a message on idle connections. A connection that is used between
        # that message and its end fails like this (MagicStack/asyncpg issue 1069).
        raise Unavailable("the connection to the database was closing") from error


@contextmanager
def refused_values() -> Iterator[None]:
    """Raise Invalid if a value of the client violates a rule of the tables."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if error.sqlstate not in _BAD_VALUES:
            raise
        error.detail = None
        raise Invalid("a value violates a rule of the database") from error


def _mapped(error: asyncpg.PostgresError) -> Unavailable | None:
    """The error of this package for an error of the server; None if it is a bug."""
    state = error.sqlstate or ""
    if state in _NO_TABLES:
        return NotMigrated("the database has not been migrated for this version")
    if state == "53300":
        return Exhausted("the database has no connection left")
    if state in _NO_WRITES:
        return WritesRefused("the database accepts no writes now")
    if state in _LIMITS:
        return Busy("the database is busy")
    # A migration has changed the type of a column: the statement is prepared again for the next try.
    if state in _CONFLICTS or isinstance(error, asyncpg.InvalidCachedStatementError):
        return Conflicted("another transaction was in the way")
    if state.startswith(_OUTAGE):
        return Unavailable("the database cannot serve this request now")
    return None
