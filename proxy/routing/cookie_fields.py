"""Reads the values of one cookie from fields `Cookie` (RFC 6265 5.4).

It searches for the name, and does not cut the field into pairs: a browser sends many cookies that no rule reads.
"""

from proxy.model import HeaderPairs


def values_of_cookie(headers: HeaderPairs, name: bytes) -> list[bytes]:
    """Every value of a cookie, as sent."""
    values: list[bytes] = []
    for field, line in headers:
        if field == b"cookie" and name in line:
            values += values_in(line, name)
    return values


def values_in(line: bytes, name: bytes) -> list[bytes]:
    """The values of a cookie in one field. A name is all that precedes the first equals sign of a pair."""
    start, values = name + b"=", []
    at = line.find(start)
    while at >= 0:
        end = line.find(b";", at)
        if end < 0:
            end = len(line)
        before = line[line.rfind(b";", 0, at) + 1 : at]
        if not before or before.isspace():
            values.append(line[at + len(start) : end].rstrip())
        at = line.find(start, end)  # No other value of this pair: each pair is looked at once.
    return values
