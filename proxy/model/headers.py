"""Header fields, and edits of header fields."""

from typing import Self

from msgspec import Struct

from proxy.model.values import ValueTemplate

HeaderPairs = list[tuple[bytes, bytes]]
"""Header fields as raw bytes: names in lower case, in order, with repeats. Names may be `FieldName`s."""


class FieldName(bytes):
    """A name in lower case, by which rules compare, that also has the spelling in which it is sent (ADR 22)."""

    written: bytes

    def __new__(cls, written: bytes) -> Self:
        name = super().__new__(cls, written.lower())
        name.written = written
        return name


def field_name(written: bytes) -> bytes:
    """The name that is written like this: plain bytes, if it has no capital letter."""
    lower = written.lower()
    return lower if lower == written else FieldName(written)


def written_name(name: bytes) -> bytes:
    """The spelling in which a name is sent."""
    return name.written if isinstance(name, FieldName) else name


class HeaderEdits(Struct, frozen=True):
    """Edits, applied in this order: remove, set, add. Names as in `HeaderPairs`."""

    set: tuple[tuple[bytes, bytes], ...] = ()
    add: tuple[tuple[bytes, bytes], ...] = ()
    remove: tuple[bytes, ...] = ()
    set_values: tuple[tuple[bytes, ValueTemplate], ...] = ()
    """Fields to set whose values depend on the request."""
    add_values: tuple[tuple[bytes, ValueTemplate], ...] = ()

    @property
    def reads_request(self) -> bool:
        return bool(self.set_values or self.add_values)


NO_EDITS = HeaderEdits()
