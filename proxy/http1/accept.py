"""Which representation of an error a client prefers: proactive negotiation by Accept (RFC 9110 12.5.1)."""

from collections.abc import Iterable, Iterator

_HTML = (b"text/html",)
_PROBLEM = (b"application/problem+json", b"application/json")
"""A client that asks for JSON means problem documents, too."""
_OWN_PARAMETER = b"charset=utf-8"
"""The only parameter of a media range that our own types have."""


def prefers_html(accept: Iterable[bytes]) -> bool:
    """Whether HTML is preferred to a problem document. `accept` are the values of all Accept fields.

    A browser that navigates lists `text/html`, and gives `*/*` a lower weight. `*/*` alone prefers nothing.
    """
    ranges = dict(_ranges(b",".join(accept)))
    return _weight(ranges, _HTML) > _weight(ranges, _PROBLEM)


def _weight(ranges: dict[bytes, float], types: tuple[bytes, ...]) -> float:
    """The highest weight of `types`. The most specific range decides about each."""
    weights = []
    for each in types:
        general = each.partition(b"/")[0] + b"/*"
        found = (ranges[key] for key in (each, general, b"*/*") if key in ranges)
        weights.append(next(found, 0.0))
    return max(weights)


def _ranges(value: bytes) -> Iterator[tuple[bytes, float]]:
    """Media ranges with their weights. Those with foreign parameters or an invalid weight are left out."""
    for element in value.lower().split(b","):
        media_range, *parameters = (part.strip(b" \t") for part in element.split(b";"))
        weight = 1.0
        for parameter in parameters:
            name, _, number = parameter.partition(b"=")
            if name == b"q":
                weight = _qvalue(number)
            elif parameter and parameter != _OWN_PARAMETER:
                weight = -1.0
                break
        if media_range and weight >= 0:
            yield media_range, weight


def _qvalue(number: bytes) -> float:
    """A weight from 0 to 1; -1 if it is none. Old clients write `.2`."""
    whole, _, decimals = number.partition(b".")
    digits = whole + decimals
    if whole not in (b"", b"0", b"1") or not digits.isdigit() or len(digits) > 4:
        return -1.0
    return min(float(number), 1.0)
