"""Accepted differences that have expired (rule 7). A load does not check them: the result depends on the date."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from proxy.config.reader import read_tree
from proxy.config.tree import Position
from proxy.errors import Problem

_IGNORE_KEYS = ("mirror", "compare", "body", "ignore")


def expired(text: bytes, file: str, today: date) -> list[Problem]:
    """A warning for each entry of `compare` that has expired by `today`. `text` is a valid table."""
    tree = read_tree(text, file)
    warnings = []
    for index, route in enumerate(tree.root["routes"]):
        for number, entry in enumerate(_entries(route)):
            day = str(entry["expires"])
            if date.fromisoformat(day) <= today:
                at = ("routes", index, *_IGNORE_KEYS, number, "expires")
                warnings.append(_warning(tree.position(at), entry, day))
    return warnings


def _entries(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    value: Any = route
    for step in _IGNORE_KEYS:
        if not isinstance(value, dict) or step not in value:
            return
        value = value[step]
    yield from value


def _warning(position: Position, entry: dict[str, Any], day: str) -> Problem:
    text = f"the accepted difference at {entry['path']} expired on {day}: it counts again"
    hint = f"mend it, or ask {entry['owner']} for a later day"
    return Problem(position.line, position.column, text, hint, "warning")
