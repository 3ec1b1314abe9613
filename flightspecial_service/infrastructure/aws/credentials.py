"""The login for PostgreSQL: fixed, or from a secret that is rotated.

Rotation alternates between two users; the previous one stays valid until the next rotation. The
secret is polled every minute by a background task. After a change, connections in use keep the old
user, and new ones log in as the new user. If PostgreSQL rejects a login, the secret is read again
immediately, and the login retried once. While the secret cannot be read, the last login stays.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from flightspecial_service.errors import Unavailable
from flightspecial_service.settings import DatabaseSettings, Secret

log = logging.getLogger(__name__)

POLL_S = 60.0
_AFTER_REFUSAL_S = 10.0
"""Minimum between two reads that rejected logins cause."""
_FIRST_GAP_S = 2.0
_READ_TIMEOUT_S = 15.0


class Login(Struct, frozen=True):
    """A user with its password."""

    username: str
    password: Secret


class SecretUnreadable(Exception):
    """The secret could not be read. The message contains no part of it."""


class Credentials(Protocol):
    """A source of the current login."""

    async def login(self) -> Login:
        """The login for a new connection. Raises Unavailable if none could be read yet."""

    async def after_refusal(self, refused: Login) -> Login | None:
        """A newer login than the rejected one; None if there is none."""


class FixedCredentials:
    """The user and the password of the settings."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._login = Login(settings.username, settings.password)

    async def login(self) -> Login:
        """The login of the settings."""
        return self._login

    async def after_refusal(self, refused: Login) -> Login | None:
        """None: there is no other login."""
        return None


class SecretCredentials:
    """The login in a secret. `read` blocks and raises SecretUnreadable; `clock` is monotonic."""

    def __init__(
        self, read: Callable[[], Login], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._login: Login | None = None
        self._last_read_at: float | None = None
        self._lock = asyncio.Lock()

    async def login(self) -> Login:
        """The last login; the secret is read on the first call only."""
        if self._login is None:
            await self._refresh(_FIRST_GAP_S)
        if self._login is None:
            raise Unavailable("the secret with the database's password cannot be read")
        return self._login

    async def after_refusal(self, refused: Login) -> Login | None:
        """Read the secret again, unless that was done within `_AFTER_REFUSAL_S`."""
        if self._login is None or _same(self._login, refused):
            await self._refresh(_AFTER_REFUSAL_S)
        current = self._login
        return None if current is None or _same(current, refused) else current

    async def watch(self, changed: Callable[[], Awaitable[None]], every_s: float = POLL_S) -> None:
        """Poll the secret until cancelled; await `changed` after each change of the login."""
        while True:
            await asyncio.sleep(every_s)
            before = self._login
            await self._refresh(0.0)
            after = self._login
            if before is not None and after is not None and not _same(before, after):
                log.info("the database's secret has changed", extra={"user": after.username})
                await changed()

    async def _refresh(self, gap_s: float) -> None:
        """Read the secret in a thread, at most once per `gap_s`. On failure the last login stays."""
        async with self._lock:
            now = self._clock()
            if self._last_read_at is not None and now - self._last_read_at < gap_s:
                return
            self._last_read_at = now
            try:
                async with asyncio.timeout(_READ_TIMEOUT_S):
                    self._login = await asyncio.to_thread(self._read)
            except SecretUnreadable as error:
                log.warning("the database's secret cannot be read: %s", error)
            except TimeoutError:
                log.warning("the database's secret cannot be read: it took too long")


async def resolved(settings: DatabaseSettings, credentials: Credentials) -> DatabaseSettings:
    """The settings with the current login. Raises Unavailable."""
    login = await credentials.login()
    return replace(settings, username=login.username, password=login.password)


def _same(one: Login, other: Login) -> bool:
    return one.username == other.username and one.password.reveal() == other.password.reveal()
