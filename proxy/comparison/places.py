"""Places in JSON: the JSON paths of a table, and JSON pointers with `*` for the members of arrays."""

import re
from collections.abc import Iterable
from typing import Self

from proxy.model import Equivalence

Token = str | int | None
"""A step of a JSON path: a name, an index, or None for every member of an array."""

Chain = tuple["Chain", str] | None
"""A place as its parent and the last step, so that a pointer is only written for a difference."""

MAX_POINTER = 256
"""Characters of a pointer: names in a response may be as long as the response."""
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\*)\]|\[([0-9]+)\]|\['([^'\]]+)'\]")


def path_tokens(path: str) -> tuple[Token, ...]:
    """The steps of a JSON path: `$[*].id` is (None, "id")."""
    return tuple(map(_token, _STEP.finditer(path)))


def _token(step: re.Match[str]) -> Token:
    plain, star, index, quoted = step.groups()
    if star:
        return None
    return int(index) if index else plain or quoted


def pointer_of_path(path: str) -> str:
    """The pointer of a JSON path. An index becomes `*`, since differences of all members are counted together."""
    steps = ("*" if token is None or type(token) is int else token for token in path_tokens(path))
    return "".join(f"/{_escaped(str(step))}" for step in steps)


def pointer_of_difference(place: str) -> str:
    """The path in reports of a declared difference: `header:etag`, `status`, `body`, or the pointer of a JSON path."""
    return pointer_of_path(place) if place.startswith("$") else place


def pointer(chain: Chain) -> str:
    """The JSON pointer of a place (RFC 6901). That of a whole document is empty."""
    steps = []
    while chain is not None:
        chain, step = chain
        steps.append(step)
    path = "".join(f"/{_escaped(step)}" for step in reversed(steps))
    return path if len(path) <= MAX_POINTER else path[:MAX_POINTER] + "…"


def _escaped(step: str) -> str:
    if not step.isprintable():
        # Lone surrogates and line ends would make a report unreadable.
        step = step.encode("unicode_escape").decode()
    return step.replace("~", "~0").replace("/", "~1")


class Node:
    """What rules say of a place, and of the places below."""

    def __init__(self) -> None:
        self.equal: Equivalence | None = None
        self.is_redacted = False
        self._below: dict[Token, Self] = {}

    def add(self, path: str) -> Self:
        """The node of a JSON path."""
        node = self
        for token in path_tokens(path):
            node = node._below.setdefault(token, type(self)())
        return node

    def member(self, name: str) -> "Node":
        return self._below.get(name, NO_RULES)

    def item(self, index: int) -> "Node":
        """The node of a member of an array. One that is named by its index wins over `[*]`."""
        return self._below.get(index) or self._below.get(None, NO_RULES)


NO_RULES = Node()


def rules_tree(equal: Iterable[Equivalence], redacted: Iterable[str]) -> Node:
    """The rules for places, by their JSON paths."""
    root = Node()
    for each in equal:
        root.add(each.path).equal = each
    for path in redacted:
        root.add(path).is_redacted = True
    return root
