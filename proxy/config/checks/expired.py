"""Accepted differences that have expired or will soon (rule 7). A load does not check them: the date decides."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from proxy.config.reader import read_tree
from proxy.config.tree import Position
from proxy.errors import Problem

SOON = timedelta(days=14)
_IGNORE_KEYS = ("mirror", "compare", "body", "ignore")


def expired(text: bytes, file: str, today: date) -> list[Problem]:
    """A warning for each entry of `compare` that expires by `today` or within `SOON`. `text` is a valid table."""
    tree = read_tree(text, file)
    warnings = []
    for index, route in enumerate(tree.root["routes"]):
        for number, entry in enumerate(_entries(route)):
            day = str(entry["expires"])
            if date.fromisoformat(day) - SOON <= today:
                at = ("routes", index, *_IGNORE_KEYS, number, "expires")
                has_expired = date.fromisoformat(day) <= today
                warnings.append(_warning(tree.position(at), entry, has_expired))
    return warnings


def _entries(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    value: Any = route
    for step in _IGNORE_KEYS:
        if not isinstance(value, dict) or step not in value:
            return
        value = value[step]
    yield from value


def _warning(position: Position, entry: dict[str, Any], has_expired: bool) -> Problem:
    when = (
        "expired on {}: it counts again" if has_expired else "expires on {}: it counts from then on"
    )
    text = f"the accepted difference at {entry['path']} {when.format(entry['expires'])}"
    hint = f"mend it, or ask {entry['owner']} for a later day"
    return Problem(position.line, position.column, text, hint, "warning")
