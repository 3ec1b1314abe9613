"""How many different users met a difference: bounded, and without knowing who they are.

The K smallest of many hashes say how many there are: if the K-th smallest one is a hundredth of the largest
possible value, there are about 100 K (Bar-Yossef and others 2002, "Counting distinct elements in a data stream").
They can be merged, so users of several workers count once.
"""

import hashlib
from bisect import insort
from collections.abc import Iterable

KEPT = 64
_HASHES = 2**53
"""The number of hashes: every reader of JSON can read them."""


def user_hash(salt: str, key: str) -> int:
    """A number for a cohort key, the same in all workers and replicas. The key cannot be read from it."""
    secret = hashlib.blake2b(salt.encode()).digest()
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8, key=secret)
    return int.from_bytes(digest.digest(), "big") % _HASHES


def add_user(users: list[int], user: int) -> None:
    """Add a user to the smallest hashes, which are sorted."""
    if (len(users) < KEPT or user < users[-1]) and user not in users:
        insort(users, user)
        del users[KEPT:]


def merged_users(parts: Iterable[list[int]]) -> list[int]:
    return sorted({user for part in parts for user in part})[:KEPT]


def user_count(users: list[int]) -> int:
    """The number of users; an estimate if there are more than are kept."""
    if len(users) < KEPT:
        return len(users)
    return round((KEPT - 1) * _HASHES / users[-1])
