"""Header fields as they go over the wire, and the table's edits of them."""

from msgspec import Struct

HeaderPairs = list[tuple[bytes, bytes]]
"""Header fields as they go over the wire, names in lower case, repeats and order kept."""


class HeaderEdits(Struct, frozen=True):
    """Applied in this order: remove, set, add. Names in lower case."""

    set: tuple[tuple[bytes, bytes], ...] = ()
    add: tuple[tuple[bytes, bytes], ...] = ()
    remove: tuple[bytes, ...] = ()


NO_EDITS = HeaderEdits()
