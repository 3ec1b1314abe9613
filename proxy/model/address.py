"""Addresses of clients."""


def plain_address(address: str) -> str:
    """An IPv4 address that a socket of IPv6 shows as `::ffff:192.0.2.1` (RFC 4291 2.5.5.2), in its own form.

    Applications, allow-lists and logs know a client by one spelling.
    """
    prefix, rest = address[:7], address[7:]
    return rest if prefix.lower() == "::ffff:" and "." in rest else address
