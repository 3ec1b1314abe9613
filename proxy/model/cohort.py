"""Cohorts: groups of clients that move together."""

from typing import Literal

from msgspec import Struct

from proxy.model.networks import Networks


class HashKey(Struct, frozen=True):
    """A source of the key of a cohort: a cookie, a header, a parameter of the path, or the client's address."""

    kind: Literal["cookie", "header", "path_parameter", "source_ip"]
    name: str = ""
    generate: bool = False
    ttl_s: float = 0.0


class ReadYourWrites(Struct, frozen=True):
    """After a write, the reads of the same client go to the backend of the write."""

    ttl_s: float
    key_file: str | None = None
    """The file of the key that signs the cookie, relative to the folder of the table."""


class Override(Struct, frozen=True):
    """How an authorised client chooses the backend: by its name from a trusted network, or by a token."""

    kind: Literal["header", "cookie"]
    name: str
    allow_from: Networks = Networks()
    """The trusted networks."""
    token_key_file: str | None = None
    """The file of the key that signs tokens, relative to the folder of the table."""


class Cohort(Struct, frozen=True):
    """A group of clients that move together. The bucket is a hash of the salt and the first key that is present."""

    name: str
    salt: str
    keys: tuple[HashKey, ...]
    read_your_writes: ReadYourWrites | None = None
