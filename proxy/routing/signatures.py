"""HMAC-SHA256 over what a client keeps for the facade. Pure."""

import hmac

from proxy.model import SigningKey


def signature(key: SigningKey, purpose: str, *parts: str) -> str:
    """64 hexadecimal digits. No part has a line end. `purpose` keeps one kind from standing for another."""
    return hmac.digest(key.secret, "\n".join((purpose, *parts)).encode(), "sha256").hex()


def is_signature(candidate: str, key: SigningKey, purpose: str, *parts: str) -> bool:
    """Compares in constant time."""
    expected = signature(key, purpose, *parts)
    return hmac.compare_digest(candidate.encode("utf-8", "replace"), expected.encode())
