"""The values of unquoted scalars (rule 10).

YAML 1.1, YAML 1.2 and their libraries disagree about `010`, `1:30`, `yes` and similar scalars. Here each of
them becomes an `AmbiguousScalar`, which no field accepts: the author has to write it unambiguously. The remaining
values are `true`, `false`, plain numbers and text.
"""

import re
from decimal import Decimal

from msgspec import Struct

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")
_AMBIGUOUS = re.compile(
    r"""
      [-+]?\.?[0-9][0-9_,]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]*)?   # 010  1_000  +1  .5  5.  1e3
    | [-+]?0[xXob][0-9a-fA-F_]*                         # 0x1F  0o17  0b1
    | [-+]?[0-9][0-9_]*(?::[0-9]{1,2})+(?:\.[0-9_]*)?   # 1:30, in base 60
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?       # a date, or a date with a time
    | [-+]?\.(?:inf|Inf|INF|nan|NaN|NAN)
    | [=<>|]+
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS = frozenset(("yes", "no", "on", "off", "y", "n", "true", "false", "null"))
_EMPTY = frozenset(("", "~", "null"))


class AmbiguousScalar(Struct, frozen=True):
    """An unquoted scalar that YAML readers interpret differently."""

    text: str

    def __str__(self) -> str:
        return self.text


NULL = AmbiguousScalar("")
"""A key without a value, `~` or `null`. No field accepts it."""

Scalar = str | int | Decimal | bool | AmbiguousScalar


def scalar_value(text: str) -> Scalar:
    """The value of an unquoted scalar. Quoted text is never passed in."""
    if text in _EMPTY:
        return NULL
    if text == "true" or text == "false":
        return text == "true"
    if text.lower() in _WORDS:
        return AmbiguousScalar(text)
    if text[0].isalpha() or text[0] == "/":
        return text
    return _resolve_unusual(text)


def _resolve_unusual(text: str) -> Scalar:
    number = _NUMBER.fullmatch(text)
    if number and text != "-0":
        return Decimal(text) if number[1] else int(text)
    return AmbiguousScalar(text) if _AMBIGUOUS.fullmatch(text) else text


def as_number(trap: AmbiguousScalar) -> int | None:
    """The whole number that is probably meant."""
    text = trap.text.replace("_", "").replace(",", "")
    if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        return int(text, 10)
    if re.fullmatch(r"0[xob][0-9a-fA-F]{1,15}", text):
        try:
            return int(text, 0)
        except ValueError:
            return None
    return None
