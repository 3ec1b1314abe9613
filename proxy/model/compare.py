"""How two responses of a mirrored route are compared (`mirror.compare`)."""

from typing import Literal

from msgspec import Struct

InstantFormat = Literal["epoch_s", "epoch_ms", "iso", "iso_local"]


class Equivalence(Struct, frozen=True):
    """Values of one JSON path that count as equal although they are written in two ways."""

    path: str
    """A JSON path as in the table: `$[*].expiryDate`."""
    kind: Literal["instant", "set", "number", "case_insensitive"] = "instant"
    left: InstantFormat | None = None
    right: InstantFormat | None = None
    zone: str = "UTC"
    """The zone of a format without a zone."""
    key: str = ""
    """The member that identifies an item of a set. Empty: the whole item does."""
    tolerance: float = 0.0
    """The largest difference of two numbers, or of two instants in seconds."""


class DeclaredDifference(Struct, frozen=True):
    """A difference that is accepted until a day (rule 7)."""

    path: str
    """A JSON path; or `header:NAME`, `status` or `body`."""
    reason: str
    owner: str
    expires: str
    """YYYY-MM-DD: from this day on, in UTC, the difference counts."""


class CompareRules(Struct, frozen=True):
    """How two responses are compared. The left one is the incumbent's, the right one the newcomer's."""

    status: Literal["exact", "class"] = "exact"
    headers: tuple[str, ...] = ()
    """The fields that are compared, in lower case."""
    body: Literal["json", "text", "bytes"] = "json"
    equal: tuple[Equivalence, ...] = ()
    ignore: tuple[DeclaredDifference, ...] = ()
    noise_rate: float = 0.0
    """The share of compared requests that the incumbent gets a second time. 0: noise is not learnt."""
    redact: tuple[str, ...] = ()
    """`header:NAME`, `cookie:NAME`, `query:NAME` and `body:JSON_PATH`."""
    store_mismatches: int = 100
    slow_factor: float = 3.0
    slow_margin_s: float = 0.1
    """A response is slow if it takes longer than the other one by both."""
    max_decoded_bytes: int = 8 * 1024 * 1024
    """A body that is larger when it is decoded is not compared."""
