"""Keys that sign what clients keep for the facade: tokens of overrides, cookies of read-your-writes."""

from collections.abc import Mapping

from msgspec import Struct


class SigningKey(Struct, frozen=True):
    """A key for HMAC-SHA256. Its text does not show it."""

    secret: bytes

    def __repr__(self) -> str:
        return "SigningKey(...)"


SigningKeys = Mapping[str, SigningKey]
"""The keys of a table, by the paths of their files as written in it."""


class KeyFile(Struct, frozen=True):
    """The file of a key, and its first position in the table."""

    path: str
    line: int
    column: int
