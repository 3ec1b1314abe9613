"""Removal of expired idempotency keys."""

import asyncio
import logging

from flightspecial_service.errors import Unavailable
from flightspecial_service.infrastructure.postgres.transactions import PgStore

log = logging.getLogger(__name__)


class Housekeeping:
    """Removes expired keys every `every_s` seconds."""

    def __init__(self, store: PgStore, every_s: float) -> None:
        self._store = store
        self._every_s = every_s

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._store.remove_expired_keys()
            except Unavailable as error:
                log.warning("old idempotency keys stay for now: %s", error)
            except Exception:
                # The task runs until it is cancelled: log the error, the next round may succeed.
                log.exception("old idempotency keys stay for now")
