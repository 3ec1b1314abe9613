"""The changed lines of an edit, for an operator."""

import difflib
from collections.abc import Iterator


def changed_lines(before: bytes, after: bytes) -> Iterator[str]:
    """The changed lines, each after `- ` or `+ `, without control characters.

    Equal lines at both ends are skipped first: comparing a large table whole takes long.
    """
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
    head = _equal_lines(old, new)
    tail = _equal_lines(old[head:][::-1], new[head:][::-1])
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    for line in difflib.ndiff(old, new):
        if line[0] in "+-":
            yield printable(line)


def _equal_lines(one: list[str], other: list[str]) -> int:
    """The number of equal lines at the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def printable(text: str) -> str:
    """`text` without control characters, which could manipulate a terminal or the layout of a page."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def shorten(text: str, limit: int = 300) -> str:
    """`text` in one line of bounded length."""
    text = printable(text)
    return text if len(text) <= limit else f"{text[:limit]}…"


def is_one_line(text: str, max_length: int = 500) -> bool:
    """Whether `text` may be a reason or a name in the history."""
    return text.isprintable() and len(text) <= max_length
