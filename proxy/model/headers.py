"""Header fields, and edits of header fields."""

from msgspec import Struct

HeaderPairs = list[tuple[bytes, bytes]]
"""Header fields as raw bytes: names in lower case, in order, with repeats."""


class HeaderEdits(Struct, frozen=True):
    """Edits, applied in this order: remove, set, add. Names are in lower case."""

    set: tuple[tuple[bytes, bytes], ...] = ()
    add: tuple[tuple[bytes, bytes], ...] = ()
    remove: tuple[bytes, ...] = ()


NO_EDITS = HeaderEdits()
