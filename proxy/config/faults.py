"""Faults of a document, and the wording of their texts."""

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from proxy.config.scalars import NULL, AmbiguousScalar, as_number
from proxy.config.tree import Loc, shorten

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

NOT_A_LIST = "where a list is meant"
_WORDS_SHOWN = 12


class Fault(Struct, frozen=True):
    """A broken rule. `at` is relative to the block that has the rule."""

    at: Loc
    text: str
    hint: str = ""
    severity: str = "error"
    on_key: bool = False
    """Point at the key, not at its value."""


def value_fault(text: str, hint: str = "") -> "PydanticCustomError":
    """The exception for a single invalid value."""
    # Imported here: an edit of a table that was checked needs the texts, and not pydantic (ADR 26).
    from pydantic_core import PydanticCustomError

    return PydanticCustomError("facade_fault", "{text}", {"text": text, "hint": hint})


def block_faults(faults: Iterable[Fault]) -> "PydanticCustomError":
    """The exception for a block that breaks rules between its keys."""
    from pydantic_core import PydanticCustomError

    return PydanticCustomError("facade_faults", "rules", {"faults": tuple(faults)})


def quoted(value: object) -> str:
    """A value as it is written in the file, for use in a sentence."""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"`{shorten(str(value))}`" if str(value) else "an empty text"


def not_text(value: object) -> tuple[str, str]:
    """Text and hint for a value in place of text."""
    if value == NULL:
        return "nothing is given", "write a value, or leave the key out"
    if isinstance(value, dict | list):
        return f"{quoted(value)} stands where text is meant", "write one text"
    written = "true" if value is True else "false" if value is False else str(value)
    hint = f'write it in quotes: "{shorten(written)}"'
    if isinstance(value, AmbiguousScalar):
        return f"{quoted(value)} without quotes is read differently by every YAML reader", hint
    kind = "a boolean" if isinstance(value, bool) else "a number"
    return f"{quoted(value)} is {kind}, and text is meant", hint


def not_whole(value: object) -> tuple[str, str]:
    """Text and hint for a value in place of a whole number."""
    if isinstance(value, AmbiguousScalar) and (meant := as_number(value)) is not None:
        return f"{quoted(value)} is no plain number", f"write {meant}"
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return f'"{shorten(value)}" is text, and a number is meant', "leave the quotes out"
    if isinstance(value, Decimal):
        return f"{quoted(value)} is no whole number", "leave the decimals out"
    return f"{misplaced(value)} where a whole number is meant", "write a number like 20"


def not_boolean(value: object) -> tuple[str, str]:
    """Text and hint for a value in place of true or false."""
    word = str(value).lower()
    if word in ("yes", "on", "y", "true", "1"):
        return f"{quoted(value)} is not read as a boolean", "write true"
    if word in ("no", "off", "n", "false", "0"):
        return f"{quoted(value)} is not read as a boolean", "write false"
    return f"{misplaced(value)} where a boolean is meant", "write true or false"


def misplaced(value: object) -> str:
    """The start of a sentence that ends in "where … is meant"."""
    return "nothing is given" if value == NULL else f"{quoted(value)} stands"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for an unknown word: the nearest known one, or the first known ones."""
    words = list(known)
    if near := nearest(word, words):
        return f"did you mean `{near}`?"
    shown = ", ".join(f"`{each}`" for each in words[:_WORDS_SHOWN])
    more = "" if len(words) <= _WORDS_SHOWN else f" and {len(words) - _WORDS_SHOWN} more"
    return f"known: {shown}{more}" if words else ""


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that is most similar. Bounded: at most 2,000 words of similar length are compared."""
    if len(word) > 128:
        return None
    folded = {each.lower(): each for each in known if abs(len(each) - len(word)) <= 8}
    few = list(folded)[:2000]
    matches = get_close_matches(word.lower(), few, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def checked_text(value: Any) -> str:
    """`value`, if it is text without control characters. Raises a `value_fault`."""
    if type(value) is not str:
        raise value_fault(*not_text(value))
    if not value.isprintable() and any(ord(each) < 32 or ord(each) == 127 for each in value):
        raise value_fault("a control character stands in this text", "take it out")
    return value
