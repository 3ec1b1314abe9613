"""What an unquoted scalar means (rule 10).

YAML 1.1, YAML 1.2 and the libraries that read them disagree about `010`, `1:30`, `yes` and their
like. Here they mean nothing at all: they become a `Trap`, which no field takes, so that the writer
has to say what was meant. Only `true`, `false`, plain numbers and text are left.
"""

import re
from decimal import Decimal

from msgspec import Struct

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")
_TRAP = re.compile(
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


class Trap(Struct, frozen=True):
    """An unquoted scalar that readers of YAML disagree about."""

    text: str

    def __str__(self) -> str:
        return self.text


NOTHING = Trap("")
"""A key without a value, `~` or `null`. No field takes it: what is not given is left out."""

Scalar = str | int | Decimal | bool | Trap


def resolve(text: str) -> Scalar:
    """The value of an unquoted scalar. Text in quotes never comes here."""
    if text in _EMPTY:
        return NOTHING
    if text == "true" or text == "false":
        return text == "true"
    if text.lower() in _WORDS:
        return Trap(text)
    if text[0].isalpha() or text[0] == "/":
        return text
    return _resolve_unusual(text)


def _resolve_unusual(text: str) -> Scalar:
    number = _NUMBER.fullmatch(text)
    if number and text != "-0":
        return Decimal(text) if number[1] else int(text)
    return Trap(text) if _TRAP.fullmatch(text) else text


def as_number(trap: Trap) -> int | None:
    """The whole number that was probably meant."""
    text = trap.text.replace("_", "").replace(",", "")
    if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        return int(text, 10)
    if re.fullmatch(r"0[xob][0-9a-fA-F]{1,15}", text):
        try:
            return int(text, 0)
        except ValueError:
            return None
    return None
