"""Who we are to PostgreSQL: fixed, or what a secret says at the moment.

The theory of a rotation: the secret changes between two users, and the older one stays valid until the next
change. The secret is read again every minute, beside the requests. When it has changed, connections
in use go on as the old user, and every new one is the new user's. If the server refuses a login, the
secret is read at once, once. While the secret cannot be read, the last one that could be is used.
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
"""At least this long between two reads that refused logins ask for."""
_FIRST_GAP_S = 2.0
_READ_TIMEOUT_S = 15.0


class Login(Struct, frozen=True):
    """A user and its password."""

    username: str
    password: Secret


class SecretUnreadable(Exception):
    """The secret could not be read; the message holds no part of it."""


class Credentials(Protocol):
    """Knows the login of the moment."""

    async def login(self) -> Login:
        """The login for a new connection. Raises Unavailable if there has been none yet."""

    async def after_refusal(self, refused: Login) -> Login | None:
        """Another login than the refused one, if there is one by now."""


class FixedCredentials:
    """The user and the password of the settings."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._login = Login(settings.username, settings.password)

    async def login(self) -> Login:
        """Always the same."""
        return self._login

    async def after_refusal(self, refused: Login) -> Login | None:
        """There is no other."""
        return None


class SecretCredentials:
    """What the secret says. `read` blocks, and raises SecretUnreadable; `clock` is monotonic."""

    def __init__(
        self, read: Callable[[], Login], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._login: Login | None = None
        self._asked_at: float | None = None
        self._one = asyncio.Lock()

    async def login(self) -> Login:
        """From memory; read only the first time."""
        if self._login is None:
            await self._refresh(_FIRST_GAP_S)
        if self._login is None:
            raise Unavailable("the secret with the database's password cannot be read")
        return self._login

    async def after_refusal(self, refused: Login) -> Login | None:
        """Read the secret again, if that was not done just now."""
        if self._login is None or _same(self._login, refused):
            await self._refresh(_AFTER_REFUSAL_S)
        now = self._login
        return None if now is None or _same(now, refused) else now

    async def watch(self, changed: Callable[[], Awaitable[None]], every_s: float = POLL_S) -> None:
        """Read the secret again and again; `changed` is awaited when it is another one."""
        while True:
            await asyncio.sleep(every_s)
            before = self._login
            await self._refresh(0.0)
            after = self._login
            if before is not None and after is not None and not _same(before, after):
                log.info("the database's secret has changed", extra={"user": after.username})
                await changed()

    async def _refresh(self, gap_s: float) -> None:
        """Read the secret beside the event loop; a failure leaves the last one in charge."""
        async with self._one:
            now = self._clock()
            if self._asked_at is not None and now - self._asked_at < gap_s:
                return
            self._asked_at = now
            try:
                async with asyncio.timeout(_READ_TIMEOUT_S):
                    self._login = await asyncio.to_thread(self._read)
            except SecretUnreadable as error:
                log.warning("the database's secret cannot be read: %s", error)
            except TimeoutError:
                log.warning("the database's secret cannot be read: it took too long")


async def resolved(settings: DatabaseSettings, credentials: Credentials) -> DatabaseSettings:
    """The settings with the login of the moment. Raises Unavailable."""
    login = await credentials.login()
    return replace(settings, username=login.username, password=login.password)


def _same(one: Login, other: Login) -> bool:
    return one.username == other.username and one.password.reveal() == other.password.reveal()
