"""Finds out which members of two arrays belong together, so that one row more or less is one difference.

Members that are objects are recognised by the member of theirs that identifies most of them: an id, a title. Rules say
which values are the same in two formats, and a wrong field is not what identifies a row, since it has no equal.
"""

from collections.abc import Hashable, Sequence
from operator import eq

from msgspec import Struct

from proxy.comparison.json_reader import MAX_DEPTH, Json
from proxy.comparison.pace import Pace, Steps
from proxy.comparison.places import Node
from proxy.comparison.problems import NotComparable, NotJson
from proxy.comparison.values import identity

Pair = tuple[int, int]
_CHUNK = 128
_MAX_ITEMS = 100_000
"""Members of an array that are aligned, beside equal ones at its ends."""


class Alignment(Struct, frozen=True):
    """Indexes of two arrays. Equal values that are no containers may be left out of the pairs."""

    pairs: list[Pair]
    missing: list[int]
    """Members that only the left one has."""
    extra: list[int]
    is_reordered: bool = False


class Arrays(Struct, frozen=True):
    """The parts of two arrays that have to be aligned, with the rules for members. `start` equal ones are left out."""

    left: list[Json]
    right: list[Json]
    node: Node
    start: int = 0

    @property
    def sides(self) -> tuple[list[Json], list[Json]]:
        return self.left, self.right


def aligned(arrays: Arrays, pace: Pace) -> Steps[Alignment]:
    """Which members belong together."""
    arrays = yield from _without_equal_ends(arrays, pace)
    left, right, equal, start = arrays.left, arrays.right, arrays.node.equal, arrays.start
    if not left or not right:
        return Alignment([], _indexes(left, start), _indexes(right, start))
    if max(len(left), len(right)) > _MAX_ITEMS:
        raise NotComparable("too_large")
    name = ""
    if all(set(map(type, side)) == {dict} for side in arrays.sides):
        given = equal.key if equal is not None and equal.kind == "set" else ""
        name = given or (yield from _naming_member(arrays, pace))
    if name:
        one = yield from _keys(arrays, 0, name, pace)
        other = yield from _keys(arrays, 1, name, pace)
    else:
        one = yield from _canonical_items(arrays, 0, pace)
        other = yield from _canonical_items(arrays, 1, pace)
    matches = yield from _matched(one, other, pace)
    if not name and matches.left and _are_mostly_in_place(one, other):
        return Alignment([(at + start, at + start) for at in range(len(one))], [], [])
    return (yield from _finished(arrays, matches, bool(name), pace))


def _indexes(items: list[Json], start: int) -> list[int]:
    return list(range(start, start + len(items)))


def _without_equal_ends(arrays: Arrays, pace: Pace) -> Steps[Arrays]:
    """The arrays without the equal values at their beginnings and ends. Containers are not looked into."""
    left, right = arrays.sides
    start, shorter = 0, min(len(left), len(right))
    while start < shorter and _are_equal(left, right, (start, start)):
        start += _CHUNK
        if pace.is_due(_CHUNK // 8):
            yield
    start = min(start, shorter)
    end = 0
    while start + end + _CHUNK <= shorter and _are_equal(
        left, right, (len(left) - end - _CHUNK, len(right) - end - _CHUNK)
    ):
        end += _CHUNK
        if pace.is_due(_CHUNK // 8):
            yield
    if not start and not end:
        return arrays
    return Arrays(
        left[start : len(left) - end], right[start : len(right) - end], arrays.node, start
    )


def _are_equal(left: list[Json], right: list[Json], at: Pair) -> bool:
    """Whether the next values are equal, of the same type, and no containers."""
    one, other = left[at[0] : at[0] + _CHUNK], right[at[1] : at[1] + _CHUNK]
    types = list(map(type, one))
    return (
        dict not in types and list not in types and types == list(map(type, other)) and one == other
    )


def _naming_member(arrays: Arrays, pace: Pace) -> Steps[str]:
    """The member that identifies most objects of both arrays. Empty if none identifies half of them."""
    fewer = min(len(arrays.left), len(arrays.right))
    best, most = "", (fewer + 1) // 2 - 1
    for name in arrays.left[0]:
        left = set((yield from _keys(arrays, 0, name, pace)))
        right = set((yield from _keys(arrays, 1, name, pace)))
        if pace.is_due(len(left) // 2):
            yield
        left.discard(None)
        right.discard(None)
        # One of the sides may have a row twice; a member with few values identifies nothing on both.
        is_unique = len(left) == len(arrays.left) or len(right) == len(arrays.right)
        common = len(left & right)
        if is_unique and common > most:
            best, most = name, common
        if best and most == fewer:
            break
    return best


def _keys(arrays: Arrays, side: int, name: str, pace: Pace) -> Steps[list[Hashable]]:
    item = arrays.node.item(-1).member(name)
    keys: list[Hashable] = []
    for each in arrays.sides[side]:
        if pace.is_due():
            yield
        keys.append(identity(each.get(name), item.equal, side))
    return keys


def _canonical_items(arrays: Arrays, side: int, pace: Pace) -> Steps[list[Hashable]]:
    keys: list[Hashable] = []
    node = arrays.node.item(-1)
    for each in arrays.sides[side]:
        if type(each) in (list, dict):
            keys.append((yield from _canonical(each, node, side, pace)))
        else:
            if pace.is_due():
                yield
            keys.append(identity(each, node.equal, side))
    return keys


def _canonical(value: Json, node: Node, side: int, pace: Pace, depth: int = 1) -> Steps[Hashable]:
    """A value that is equal for members that are the same under the rules."""
    if depth > MAX_DEPTH:
        # The left side comes first, so a right side that is too deep differs from it.
        raise NotJson("too_deep") if side else NotComparable("too_deep")
    if pace.is_due():
        yield
    if type(value) is list:
        items = []
        for at, each in enumerate(value):
            items.append((yield from _canonical(each, node.item(at), side, pace, depth + 1)))
        return tuple(items)
    if type(value) is dict:
        members = set()
        for name, each in value.items():
            inner = yield from _canonical(each, node.member(name), side, pace, depth + 1)
            members.add((name, inner))
        return frozenset(members)
    return identity(value, node.equal, side)


def _are_mostly_in_place(left: Sequence[Hashable], right: Sequence[Hashable]) -> bool:
    """Whether half of the members are where their equals are: then the others have other values, and none has moved."""
    return len(left) == len(right) and 2 * sum(map(eq, left, right)) >= len(left)


class _Matches(Struct):
    """Pairs of members with the same key, in the order of the left ones, and the members without a partner."""

    pairs: list[Pair]
    left: list[int]
    right: list[int]
    is_reordered: bool = False


def _matched(left: Sequence[Hashable], right: Sequence[Hashable], pace: Pace) -> Steps[_Matches]:
    """Match members by their keys. Repeated keys are paired in order."""
    places: dict[Hashable, list[int]] = {}
    for at in range(len(right) - 1, -1, -1):
        if pace.is_due():
            yield
        places.setdefault(right[at], []).append(at)
    matches, taken, last = _Matches([], [], []), set(), -1
    for at, key in enumerate(left):
        if pace.is_due():
            yield
        if key is None or not places.get(key):
            matches.left.append(at)
            continue
        other = places[key].pop()
        matches.pairs.append((at, other))
        taken.add(other)
        matches.is_reordered |= other < last
        last = other
    for at in range(len(right)):
        if pace.is_due():
            yield
        if at not in taken:
            matches.right.append(at)
    return matches


def _finished(arrays: Arrays, matches: _Matches, by_name: bool, pace: Pace) -> Steps[Alignment]:
    """The alignment with lone members paired that seem to be the same one with other values."""
    start = arrays.start
    pairs, missing, extra = matches.pairs, [], []
    for one, other in zip(matches.left, matches.right, strict=False):
        if pace.is_due():
            yield
        if by_name and not _resemble(arrays.left[one], arrays.right[other]):
            missing.append(one)
            extra.append(other)
        else:
            pairs.append((one, other))
    fewer = min(len(matches.left), len(matches.right))
    missing += matches.left[fewer:]
    extra += matches.right[fewer:]
    if start:
        pairs = [(one + start, other + start) for one, other in pairs]
        missing, extra = ([at + start for at in side] for side in (missing, extra))
    return Alignment(pairs, missing, extra, matches.is_reordered)


def _resemble(left: dict[str, Json], right: dict[str, Json]) -> bool:
    """Whether half of the members that are no containers are equal."""
    plain = [name for name, value in left.items() if type(value) not in (list, dict)]
    equal = [name for name in plain if name in right and _are_same(left[name], right[name])]
    return 2 * len(equal) >= len(plain)


def _are_same(left: Json, right: Json) -> bool:
    return type(left) is type(right) and bool(left == right)
