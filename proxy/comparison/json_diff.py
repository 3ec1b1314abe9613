"""Compares two values of JSON in slices."""

from proxy.comparison.arrays import Arrays, aligned
from proxy.comparison.differences import Differences
from proxy.comparison.json_reader import MAX_DEPTH, Json
from proxy.comparison.pace import Pace, Steps
from proxy.comparison.places import Chain, Node
from proxy.comparison.problems import NotComparable
from proxy.comparison.values import kind_of_values

At = tuple[Chain, Node]
"""A place with its rules."""
_CONTAINERS = (dict, list)


class JsonDiff:
    """Adds the differences of two values to `found`."""

    def __init__(self, found: Differences, pace: Pace) -> None:
        self._found = found
        self._pace = pace

    def compare(self, left: Json, right: Json, at: At, depth: int = 1) -> Steps[None]:
        """Compare two values. Raises NotComparable."""
        if depth > MAX_DEPTH:
            raise NotComparable("too_deep")
        if type(left) is dict and type(right) is dict:
            yield from self._objects(left, right, at, depth)
        elif type(left) is list and type(right) is list:
            yield from self._arrays(left, right, at, depth)
        else:
            self._values(left, right, at)

    def _values(self, left: Json, right: Json, at: At) -> None:
        kind = kind_of_values(left, right, at[1].equal)
        if kind is not None:
            self._found.add_value(at, kind, left, right)

    def _objects(
        self, left: dict[str, Json], right: dict[str, Json], at: At, depth: int
    ) -> Steps[None]:
        chain, node = at
        for name, value in left.items():
            if self._pace.is_due():
                yield
            below = (chain, name), node.member(name)
            if name not in right:
                self._found.add_value(below, "missing", left=value)
            elif type(value) in _CONTAINERS:
                yield from self.compare(value, right[name], below, depth + 1)
            else:
                self._values(value, right[name], below)
        if self._pace.is_due(len(right)):
            yield
        for name in right:
            if name not in left:
                below = (chain, name), node.member(name)
                self._found.add_value(below, "extra", right=right[name])

    def _arrays(self, left: list[Json], right: list[Json], at: At, depth: int) -> Steps[None]:
        chain, node = at
        alignment = yield from aligned(Arrays(left, right, node), self._pace)
        items = (chain, "*")
        is_set = node.equal is not None and node.equal.kind == "set"
        if alignment.is_reordered and not is_set:
            self._found.add_value(at, "order", left, right)
        for one in alignment.missing[:1]:
            self._found.add_value((items, node.item(one)), "missing", left=left[one])
        for other in alignment.extra[:1]:
            self._found.add_value((items, node.item(other)), "extra", right=right[other])
        for one, other in alignment.pairs:
            if self._pace.is_due():
                yield
            yield from self.compare(left[one], right[other], (items, node.item(one)), depth + 1)
