"""Accepted differences whose day has come (rule 7). They need a calendar, so no load looks for them."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from proxy.config.reader import read_tree
from proxy.errors import Problem

_WAY = ("mirror", "compare", "body", "ignore")


def expired(text: bytes, file: str, today: date) -> list[Problem]:
    """A warning for each `compare` entry that has expired by `today`. `text` is a table that loads."""
    tree = read_tree(text, file)
    found = []
    for position, route in enumerate(tree.root["routes"]):
        for number, entry in enumerate(_entries(route)):
            day = str(entry["expires"])
            if date.fromisoformat(day) <= today:
                at = ("routes", position, *_WAY, number, "expires")
                found.append(_warning(tree.place(at).line, tree.place(at).column, entry, day))
    return found


def _entries(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    value: Any = route
    for step in _WAY:
        if not isinstance(value, dict) or step not in value:
            return
        value = value[step]
    yield from value


def _warning(line: int, column: int, entry: dict[str, Any], day: str) -> Problem:
    text = f"the accepted difference at {entry['path']} expired on {day}: it counts again"
    hint = f"mend it, or ask {entry['owner']} for a later day"
    return Problem(line, column, text, hint, "warning")
