"""How many different users met a difference: bounded, and without knowing who they are."""

import hashlib


def user_hash(salt: str, key: str) -> int:
    """A number for a cohort key, the same in all workers and replicas. The key cannot be read from it."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") >> 1
