"""What a text may hold, whatever it is the text of."""

from collections.abc import Callable

from flightspecial_service.errors import Invalid


def check_text(what: str, text: str, longest: int, refuse: Callable[[str], Invalid]) -> None:
    """Raise `refuse(sentence)` unless it has 1 to `longest` code points that text can hold."""
    if not 1 <= len(text) <= longest:
        raise refuse(f"{what} has 1 to {longest} characters, not {len(text)}")
    # PostgreSQL's text holds neither: the first ends a C string, the second is not a character.
    if "\0" in text:
        raise refuse(f"{what} must not hold the character U+0000")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise refuse(f"{what} must not hold half of a surrogate pair")
