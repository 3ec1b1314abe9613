"""Reads JSON in slices. What readers read in different ways is no JSON here: a key twice, NaN, a lone minus.

The reader of the standard library reads what fits a window; a container that does not is opened by the code here, and
each of its members is read in the same way. Lone surrogates are values like any other text.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, NoReturn, cast

from proxy.comparison.pace import Pace, Steps
from proxy.comparison.problems import NotComparable, NotJson

Json = Any
"""None, bool, int, float, Decimal (numbers that no float holds), str, list or dict."""

MAX_DEPTH = 100
WINDOW = 8 * 1024
"""Characters that are read without a pause: about half a millisecond."""
_WINDOW_STEPS = WINDOW // 16
_SINGLY = 32
"""Items that are read one by one after a batch that could not be read."""
_SPACE = re.compile(r"[ \t\r\n]*")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise NotJson("duplicate_key")
    return members


def _number(text: str) -> float | Decimal:
    value = float(text)
    if isfinite(value):
        return value
    try:
        return Decimal(text)
    except InvalidOperation:
        raise NotJson("not_json") from None


def _constant(_: str) -> NoReturn:
    raise NotJson("not_a_number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_constant
)


def read_json(text: str, pace: Pace) -> Steps[Json]:
    """The value of a JSON text. Raises Unusable."""
    reader = _Reader(text, pace)
    reader.skip_space()
    if reader.at == len(text):
        raise NotJson("empty")
    value = yield from reader.value(1)
    reader.skip_space()
    if reader.at < len(text):
        raise NotJson("not_json")
    return value


class _Reader:
    """A position in a text."""

    def __init__(self, text: str, pace: Pace) -> None:
        self.text = text
        self.at = 0
        self._pace = pace

    def skip_space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr] # it matches always

    def value(self, depth: int) -> Steps[Json]:
        if depth > MAX_DEPTH:
            raise NotComparable("too_deep")
        is_container = self.text[self.at : self.at + 1] in ("{", "[")
        if is_container and len(self.text) - self.at > WINDOW:
            # It is longer than a window, or wrong, if no window holds it: its members tell.
            value = self._in_window(self.text[self.at : self.at + WINDOW])
            if self._pace.is_due(_WINDOW_STEPS):
                yield
            return (yield from self._container(depth)) if value is None else value
        start = self.at
        value, self.at = self._read(self.text, start)
        if self._pace.is_due(1 + (self.at - start) // 16):
            yield
        return value

    def _in_window(self, window: str) -> Json:
        """A container that ends within the window; None for another one, or one that is wrong."""
        try:
            value, end = self._read(window, 0)
        except NotJson:
            return None
        self.at += end
        return value

    def _read(self, text: str, at: int) -> tuple[Json, int]:
        try:
            return _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            is_cut = error.pos >= len(text) or error.msg.startswith("Unterminated")
            raise NotJson("truncated" if is_cut else "not_json") from None
        except RecursionError:
            raise NotComparable("too_deep") from None
        except ValueError:  # An integer of more than 4,300 digits.
            raise NotJson("not_json") from None

    def _container(self, depth: int) -> Steps[Json]:
        is_object = self.text[self.at] == "{"
        self.at += 1
        self.skip_space()
        if self.text[self.at : self.at + 1] == ("}" if is_object else "]"):
            self.at += 1
            return {} if is_object else []
        return (yield from (self._members(depth) if is_object else self._items(depth)))

    def _members(self, depth: int) -> Steps[dict[str, Json]]:
        members: dict[str, Json] = {}
        while True:
            if self.text[self.at : self.at + 1] not in ('"', ""):
                raise NotJson("not_json")
            name, self.at = self._read(self.text, self.at)
            if name in members:
                raise NotJson("duplicate_key")
            self._separator(":")
            members[name] = yield from self.value(depth + 1)
            if self._separator(",}") == "}":
                return members

    def _items(self, depth: int) -> Steps[list[Json]]:
        items: list[Json] = []
        singly = 0
        while True:
            batch = None if singly else self._batch()
            if batch:
                items += batch
                if self._pace.is_due(_WINDOW_STEPS):
                    yield
            else:
                items.append((yield from self.value(depth + 1)))
                singly = (singly or _SINGLY) - 1
            if self._separator(",]") == "]":
                return items

    def _batch(self) -> list[Json] | None:
        """The items up to the last one that ends within a window, read together. None if that does not succeed."""
        window = self.text[self.at : self.at + WINDOW]
        closing = {"{": "}", "[": "]"}.get(window[:1], "")
        cut = window.rfind(closing + ",") + len(closing)
        if len(window) < WINDOW or cut < 1:
            return None
        try:
            items, end = self._read(f"[{window[:cut]}]", 0)
        except NotJson:
            return None
        if end < cut + 2:  # The array ends before.
            return None
        self.at += cut
        return cast(list[Json], items)

    def _separator(self, allowed: str) -> str:
        """One of these characters, with the space around it."""
        self.skip_space()
        sign = self.text[self.at : self.at + 1]
        if not sign:
            raise NotJson("truncated")
        if sign not in allowed:
            raise NotJson("not_json")
        self.at += 1
        self.skip_space()
        return sign
