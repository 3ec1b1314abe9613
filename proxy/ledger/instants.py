"""The times of log lines, as UTC: `2026-11-30T10:00:00`."""

import re
from datetime import UTC, datetime

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z")
_COMMON = re.compile(
    r"([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}):([0-9]{2}) ([+-][0-9]{4})"
)
_MONTHS = {
    name: f"{number:02}"
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_MAX_KNOWN = 4_096


class Instants:
    """Reads times. Remembers minutes: most lines have that of the line before."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[str, str], str] = {}

    def read(self, text: str) -> str:
        """The time in UTC; empty if `text` is none."""
        if _ISO.fullmatch(text):
            return text[:19]
        found = _COMMON.fullmatch(text)
        if found is None:
            return ""
        minute = self._minute(found[1], found[3])
        return f"{minute}:{found[2]}" if minute else ""

    def _minute(self, text: str, zone: str) -> str:
        known = self._minutes.get((text, zone))
        if known is None:
            if len(self._minutes) >= _MAX_KNOWN:
                self._minutes.clear()
            known = self._minutes[text, zone] = _in_utc(text, zone)
        return known


def _in_utc(text: str, zone: str) -> str:
    month = _MONTHS.get(text[3:6])
    if month is None:
        return ""
    try:
        local = datetime.fromisoformat(
            f"{text[7:11]}-{month}-{text[:2]}T{text[12:17]}:00{zone[:3]}:{zone[3:]}"
        )
        return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
    except (ValueError, OverflowError):
        return ""
