"""The start: migrations are applied as soon as the database answers."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from flightspecial_service.errors import MigrationError, NotMigrated, Unavailable
from flightspecial_service.infrastructure.postgres.outages import reason

log = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.1
_LAST_DELAY_S = 2.0


class Startup:
    """Runs `migrate` until it succeeds, with back-off, and reports whether it has.

    `refused` is called when retrying does not help. `draw` gives a uniform number from [0, 1).
    """

    def __init__(
        self,
        migrate: Callable[[], Awaitable[object]],
        refused: Callable[[], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._migrate = migrate
        self._refused = refused
        self._draw = draw
        self._missing: Unavailable | None = NotMigrated("the service is starting")

    @property
    def missing(self) -> Unavailable | None:
        """Why requests cannot be served yet; None once the start is complete."""
        return self._missing

    async def run(self) -> None:
        """Try until the migrations are applied, or until retrying does not help."""
        attempt, last = 0, ""
        while self._missing is not None:
            try:
                await self._migrate()
            except Unavailable as error:
                delay_s = backoff_s(attempt, self._draw())
                attempt += 1
                why = f"{error} ({reason(error)})"
                if why != last:  # once, not for each try
                    log.warning("not ready: %s", why, extra={"retry_in_s": delay_s})
                last, self._missing = why, error
                await asyncio.sleep(delay_s)
            except MigrationError as error:
                log.error("stopping: %s", error)
                self._missing = NotMigrated(str(error))
                return self._refused()
            except Exception:
                # The task's result is not awaited before the service ends, so the error is logged here.
                log.exception("stopping: the start failed")
                self._missing = NotMigrated("the start failed; the log says why")
                return self._refused()
            else:
                self._missing = None
                log.info("ready")


def backoff_s(attempt: int, draw: float) -> float:
    """Delay after failed try number `attempt` (from 0): doubled each time, capped, half of it random."""
    whole_s = min(_LAST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(attempt, 10))
    return whole_s * (1 + draw) / 2
