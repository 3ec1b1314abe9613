"""Logs the begin and the end of an outage, once each, not for each request."""

import logging

from flightspecial_service.errors import (
    Busy,
    Conflicted,
    Exhausted,
    NotMigrated,
    Unavailable,
    WritesRefused,
)

log = logging.getLogger(__name__)

_NO_OUTAGE = (Busy, Conflicted, Exhausted, NotMigrated)
"""Failures of one request while the database works."""


class Outages:
    """What is out of order: the whole database, or its writes. Reads do not end an outage of writes."""

    def __init__(self) -> None:
        self._lost = False
        self._writes_refused = False

    @property
    def lost(self) -> bool:
        """From the first failure to reach the database until the next success."""
        return self._lost

    def failed(self, error: Unavailable) -> None:
        """A request failed."""
        if isinstance(error, _NO_OUTAGE):
            return
        if isinstance(error, WritesRefused):
            if not self._writes_refused:
                self._writes_refused = True
                log.warning("the database refuses writes: %s", reason(error))
        elif not self._lost:
            self._lost = True
            log.warning("the database is lost: %s (%s)", error, reason(error))

    def succeeded(self, *, wrote: bool) -> None:
        """A request succeeded."""
        if self._lost:
            self._lost = False
            log.info("the database is back")
        if wrote and self._writes_refused:
            self._writes_refused = False
            log.info("the database accepts writes again")


def reason(error: BaseException) -> str:
    """Class and text of the library error behind an error of ours, for the log."""
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}" if cause is not None else "no further reason"
