"""Cohorts: groups of clients that move together."""

from typing import Literal

from msgspec import Struct


class HashKey(Struct, frozen=True):
    """A source of the key of a cohort: a cookie, a header, a parameter of the path, or the client's address."""

    kind: Literal["cookie", "header", "path_parameter", "source_ip"]
    name: str = ""
    generate: bool = False
    ttl_s: float = 0.0


class Cohort(Struct, frozen=True):
    """A group of clients that move together. The bucket is a hash of the salt and the first key that is present."""

    name: str
    salt: str
    keys: tuple[HashKey, ...]
