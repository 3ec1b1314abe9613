"""The policy for paths that servers read in different ways."""

from typing import Literal

from msgspec import Struct


class PathPolicy(Struct, frozen=True):
    """Which reading of an odd path holds (rule 12, ADR 2). `refuse`: every plausible reading counts."""

    double_slash: Literal["refuse", "merge", "keep"] = "refuse"
    """`merge`: `//` is `/`. `keep`: there is an empty segment between the two slashes."""
    encoded_slash: Literal["refuse", "keep"] = "refuse"
    """`keep`: `%2F` is data of its segment."""
    backslash: Literal["refuse", "keep"] = "refuse"
    """`keep`: a backslash is data of its segment, as it is or escaped."""
    raw_bytes: Literal["refuse", "keep"] = "refuse"
    """`keep`: bytes from 0x80 on need not be escaped."""


STRICT_PATHS = PathPolicy()
