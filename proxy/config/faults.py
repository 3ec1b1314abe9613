"""How a rule says that it is broken, and how the words of a complaint are chosen."""

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from msgspec import Struct
from pydantic_core import PydanticCustomError

from proxy.config.scalars import NOTHING, Trap, as_number
from proxy.config.tree import Loc, shorten

NOT_A_LIST = "where a list is meant"
_WORDS_SHOWN = 12


class Fault(Struct, frozen=True):
    """What is wrong at `at`, seen from the block whose rule it breaks."""

    at: Loc
    text: str
    hint: str = ""
    severity: str = "error"
    on_key: bool = False
    """Point at the key, not at its value."""


def wrong(text: str, hint: str = "") -> PydanticCustomError:
    """A single value breaks a rule of its own."""
    return PydanticCustomError("facade_fault", "{text}", {"text": text, "hint": hint})


def broken(faults: Iterable[Fault]) -> PydanticCustomError:
    """A block breaks rules between its keys."""
    return PydanticCustomError("facade_faults", "rules", {"faults": tuple(faults)})


def named(value: object) -> str:
    """A value as it stands in the file, for a sentence."""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"`{shorten(str(value))}`" if str(value) else "an empty text"


def not_text(value: object) -> tuple[str, str]:
    """What to say of a value where text is meant."""
    if value == NOTHING:
        return "nothing is given", "write a value, or leave the key out"
    if isinstance(value, dict | list):
        return f"{named(value)} stands where text is meant", "write one text"
    quoted = "true" if value is True else "false" if value is False else str(value)
    hint = f'write it in quotes: "{shorten(quoted)}"'
    if isinstance(value, Trap):
        return f"{named(value)} without quotes is read differently by every YAML reader", hint
    kind = "a boolean" if isinstance(value, bool) else "a number"
    return f"{named(value)} is {kind}, and text is meant", hint


def not_whole(value: object) -> tuple[str, str]:
    """What to say of a value where a whole number is meant."""
    if isinstance(value, Trap) and (meant := as_number(value)) is not None:
        return f"{named(value)} is no plain number", f"write {meant}"
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return f'"{shorten(value)}" is text, and a number is meant', "leave the quotes out"
    if isinstance(value, Decimal):
        return f"{named(value)} is no whole number", "leave the decimals out"
    return f"{stands(value)} where a whole number is meant", "write a number like 20"


def not_boolean(value: object) -> tuple[str, str]:
    """What to say of a value where true or false is meant."""
    word = str(value).lower()
    if word in ("yes", "on", "y", "true", "1"):
        return f"{named(value)} is not read as a boolean", "write true"
    if word in ("no", "off", "n", "false", "0"):
        return f"{named(value)} is not read as a boolean", "write false"
    return f"{stands(value)} where a boolean is meant", "write true or false"


def stands(value: object) -> str:
    """The beginning of "… where … is meant"."""
    return "nothing is given" if value == NOTHING else f"{named(value)} stands"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word: the nearest one, or the whole choice while it is short."""
    words = list(known)
    if near := nearest(word, words):
        return f"did you mean `{near}`?"
    shown = ", ".join(f"`{each}`" for each in words[:_WORDS_SHOWN])
    more = "" if len(words) <= _WORDS_SHOWN else f" and {len(words) - _WORDS_SHOWN} more"
    return f"known: {shown}{more}" if words else ""


def nearest(word: str, known: list[str]) -> str | None:
    """The word that was probably meant. Bounded: at most 2,000 words of like length are looked at."""
    if len(word) > 128:
        return None
    folded = {each.lower(): each for each in known if abs(len(each) - len(word)) <= 8}
    few = list(folded)[:2000]
    found = get_close_matches(word.lower(), few, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def text_of(value: Any) -> str:
    """`value` where it is text without control characters. Raises what `wrong` makes."""
    if type(value) is not str:
        raise wrong(*not_text(value))
    if not value.isprintable() and any(ord(each) < 32 or ord(each) == 127 for each in value):
        raise wrong("a control character stands in this text", "take it out")
    return value
