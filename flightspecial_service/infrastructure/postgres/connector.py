"""Opens connections to PostgreSQL: those of the pool, of the readiness probe and of migrations.

Only servers that accept writes are used: during a failover the name of the writer may still lead to a
standby.

Behind a connection pooler (PgBouncer, in session or transaction mode) a connection may reach another
session of the server in each transaction. Prepared statements and session settings are not used then;
limits are set in each transaction. A pooler is recognized by the process id that it makes up.
"""

import asyncio
import logging
import socket
import ssl
from typing import Any, TypeAlias, cast

import asyncpg

from flightspecial_service.infrastructure.aws.credentials import (
    Credentials,
    FixedCredentials,
    Login,
)
from flightspecial_service.infrastructure.postgres.error_mapping import translated
from flightspecial_service.infrastructure.postgres.tls import (
    ClearTextRefused,
    GuardedLoop,
    attempts,
    worth_another,
)
from flightspecial_service.settings import DatabaseSettings

log = logging.getLogger(__name__)

# Quoted: these classes are generic in the type stubs only.
Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# PgBouncer knows both, and sets the time zone for each transaction. The zone of the role or the
# database must not change what the service stores and shows.
_SESSION = {"application_name": "flightspecials", "timezone": "UTC"}
_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""A server that vanished is noticed after about 25 s, also while a migration runs without a limit."""


async def connect(settings: DatabaseSettings) -> Session:
    """A connection for commands and migrations, without a limit for statements. Raises Unavailable."""
    with translated():
        return await Connector(settings).open()


async def behind_pooler(session: Session) -> bool:
    """Whether there is a pooler between us and the server."""
    pid: int = await session.fetchval("SELECT pg_backend_pid()")
    return pid != session.get_server_pid()


class Connector:
    """Opens connections with the current login. `pooled` is unknown before the first one."""

    def __init__(self, settings: DatabaseSettings, credentials: Credentials | None = None) -> None:
        self._settings = settings
        self._credentials = credentials or FixedCredentials(settings)
        self._pooled: bool | None = None
        self._attempts: list[ssl.SSLContext | None] = []

    @property
    def pooled(self) -> bool:
        """Whether there is a pooler between us and the server."""
        return self._pooled is True

    async def open_limited(self, *_dsn: str, **arguments: Any) -> Session:
        """A connection whose statements are limited, for requests and the probe.

        The parameters are those of asyncpg's pool.
        """
        if self._pooled is None:
            first = await self.open(**arguments)
            if self._pooled is None:
                self._pooled = await behind_pooler(first)
                if self._pooled:
                    log.warning(
                        "a connection pooler is in front of the database:"
                        " prepared statements and session settings are not used"
                    )
            if self._pooled:
                return first
            first.terminate()
        if self._pooled:
            return await self.open(**arguments)
        limits = self.limits()
        return await self.open(
            **arguments, server_settings=_SESSION | limits, statement_cache_size=100
        )

    def limits(self) -> dict[str, str]:
        """Limits that PostgreSQL enforces, in ms, in case this process hangs or its own limits fail."""
        statement_ms = round(self._settings.command_timeout_s * 1000)
        return {
            "statement_timeout": str(statement_ms),
            "lock_timeout": str(round(self._settings.row_lock_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": str(2 * statement_ms),
        }

    async def open(self, **arguments: Any) -> Session:
        """A connection; retried once if the login was just rotated."""
        login = await self._credentials.login()
        try:
            return await self._log_in(login, arguments)
        except asyncpg.InvalidAuthorizationSpecificationError:
            other = await self._credentials.after_refusal(login)
            if other is None:
                raise
            return await self._log_in(other, arguments)

    async def _log_in(self, login: Login, arguments: dict[str, Any]) -> Session:
        settings = self._settings
        address = {
            "host": settings.host,
            "port": settings.port,
            "database": settings.name,
            "user": login.username,
            # Never None: asyncpg would then read PGPASSWORD and ~/.pgpass.
            "password": login.password.reveal(),
            "timeout": settings.connect_timeout_s,
            "target_session_attrs": "read-write",
            "direct_tls": False,
            "server_settings": _SESSION,
            "statement_cache_size": 0,
            "connection_class": KeptAlive,
        }
        self._attempts = self._attempts or attempts(settings)
        *earlier, last = self._attempts
        for tls in earlier:
            try:
                return await _connected(address | arguments, tls)
            except (OSError, asyncpg.PostgresError) as error:
                if not worth_another(error):
                    raise
        return await _connected(address | arguments, last)


class KeptAlive(asyncpg.Connection):
    """A connection on a socket with TCP keepalive."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):  # not on every system
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _connected(arguments: dict[str, Any], tls: ssl.SSLContext | None) -> Session:
    """Connect with TLS or without it. Raises ClearTextRefused."""
    if tls is not None:
        return cast(Session, await asyncpg.connect(**arguments, ssl=tls))
    guarded = GuardedLoop(asyncio.get_running_loop())
    arguments["loop"] = guarded
    try:
        return cast(Session, await asyncpg.connect(**arguments, ssl=False))
    except Exception as error:
        if guarded.cut:
            raise ClearTextRefused(
                "the server requested the password in clear text outside TLS; nothing was sent"
            ) from error
        raise
