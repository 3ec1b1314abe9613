"""The Host field of a request (RFC 9110 7.2, RFC 3986 3.2.2)."""

import re

# A registered name or an IPv4 address, or an IP literal in brackets; then a port.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")


def is_host(value: bytes) -> bool:
    """Whether `value` is a host name or an address, with an optional port up to 65535."""
    found = _HOST.fullmatch(value)
    return found is not None and int(found[1] or 0) <= 65535
