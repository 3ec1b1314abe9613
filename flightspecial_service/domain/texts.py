"""The rules that all texts share."""

from collections.abc import Callable

from flightspecial_service.errors import Invalid


def check_text(what: str, text: str, longest: int, refuse: Callable[[str], Invalid]) -> None:
    """Raise `refuse(sentence)` unless `text` has 1 to `longest` code points that PostgreSQL can store."""
    if not 1 <= len(text) <= longest:
        raise refuse(f"{what} has 1 to {longest} characters, not {len(text)}")
    # PostgreSQL stores neither U+0000 nor surrogates, which UTF-8 does not encode.
    if "\0" in text:
        raise refuse(f"{what} must not hold the character U+0000")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise refuse(f"{what} must not hold half of a surrogate pair")
