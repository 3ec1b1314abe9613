"""Host names of requests, and the patterns that match them."""

from collections.abc import Sequence


def host_name(host: bytes) -> str:
    """The Host header without its port, in lower case, without a trailing dot."""
    name = host.decode("latin-1").lower()
    if not name.endswith("]"):
        head, colon, port = name.rpartition(":")
        if colon and (port.isdigit() or not port):
            name = head
    return name.rstrip(".")


def host_matches(pattern: str, host: str) -> bool:
    """`*.example.com` matches one or more labels in front."""
    if pattern[0] == "*":
        return host.endswith(pattern[1:]) and host != pattern[2:]
    return host == pattern


def matching_host(patterns: Sequence[str], host: str) -> str | None:
    """The most specific of the patterns that match `host`: the exact one, else the longest wildcard."""
    matching = [pattern for pattern in patterns if host_matches(pattern, host)]
    return max(matching, key=lambda pattern: (pattern[0] != "*", len(pattern)), default=None)
