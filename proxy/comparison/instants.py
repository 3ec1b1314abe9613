"""Points in time in the formats of two systems."""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.comparison.json_reader import Json
from proxy.model import InstantFormat

_MAX_EPOCH_S = 253_402_300_799
"""The end of the year 9999."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo | None:
    """A time zone; None if this machine does not know it."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def epoch_ms(value: Json, written: InstantFormat | None, zone: str) -> float | None:
    """Milliseconds since 1970 in UTC; None for what is not written in this format."""
    if written in ("epoch_s", "epoch_ms"):
        return _of_number(value, 1000 if written == "epoch_s" else 1)
    if type(value) is not str:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    if (instant.tzinfo is None) != (written == "iso_local"):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone_of(zone) or UTC)
    try:
        return round(instant.astimezone(UTC).timestamp() * 1000, 3)
    except OverflowError:
        return None


def _of_number(value: Json, scale: int) -> float | None:
    if type(value) not in (int, float) or not -_MAX_EPOCH_S <= value * scale / 1000 <= _MAX_EPOCH_S:
        return None
    return float(value * scale)
