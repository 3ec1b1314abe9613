"""Chooses the endpoint of a request: the least busy, or by the client's address."""

from collections.abc import Sequence

from proxy.upstream.digest import digest
from proxy.upstream.pool import Pool


def least_busy(pools: Sequence[Pool], first: int) -> Pool:
    """The pool with the fewest requests for its weight; of equal ones the first from the index `first` on."""
    return min((*pools[first:], *pools[:first]), key=lambda pool: (pool.load + 1) / pool.weight)


def by_client(pools: Sequence[Pool], client: str) -> Pool:
    """The same pool for the same client. Adding or removing a pool moves only the clients of that pool.

    Rendezvous hashing: each pool has a number for each client, and the greatest wins.
    """
    return max(pools, key=lambda pool: digest(str(pool.endpoint), client))
