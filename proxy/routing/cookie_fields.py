"""Reads the values of one cookie from fields `Cookie` (RFC 6265 5.4).

It searches for the name, and does not cut the field into pairs: a browser sends many cookies that no rule reads.
"""

from proxy.model import HeaderPairs


def values_of_cookie(headers: HeaderPairs, name: bytes) -> list[bytes]:
    """Every value of a cookie, as sent."""
    start, values = name + b"=", []
    for field, line in headers:
        if field == b"cookie" and start in line:
            values += values_in(line, start)
    return values


def values_in(line: bytes, start: bytes) -> list[bytes]:
    """The values of a cookie in one field. `start` is its name, which is all that precedes the first equals sign of a
    pair, and that sign."""
    values = []
    at = line.find(start)
    while at >= 0:
        end = line.find(b";", at)
        if end < 0:
            end = len(line)
        if not at or line[at - 2 : at] == b"; " or _begins_pair(line, at):
            values.append(line[at + len(start) : end].rstrip())
        at = line.find(start, end)  # No other value of this pair: each pair is looked at once.
    return values


def _begins_pair(line: bytes, at: int) -> bool:
    before = line[line.rfind(b";", 0, at) + 1 : at]
    return not before or before.isspace()
