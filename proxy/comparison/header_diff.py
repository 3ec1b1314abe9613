"""Compares the header fields that a table names."""

from collections import Counter

from proxy.comparison.body_text import media_type
from proxy.comparison.differences import Differences
from proxy.comparison.outcome import Kind
from proxy.comparison.redaction import Redaction
from proxy.model import HeaderPairs

_UNORDERED = {
    "accept-ranges",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "allow",
    "cache-control",
    "content-language",
    "link",
    "pragma",
    "set-cookie",
    "vary",
}
"""Lists whose order means nothing."""
_WHOLE = {"set-cookie", "date", "expires", "last-modified", "www-authenticate", "location"}
"""Fields whose values have commas that separate no members (RFC 9110 5.3, RFC 6265 3)."""
_CASE_INSENSITIVE = {"vary", "access-control-allow-headers", "cache-control", "connection", "allow"}
_OF_CONTENT = {"content-type", "content-encoding", "content-language", "content-length", "etag"}


class HeaderDiff:
    """Compares the fields `names`, which are in lower case."""

    def __init__(self, names: tuple[str, ...], redaction: Redaction) -> None:
        self._names = names
        self._redaction = redaction

    def compare(self, left: HeaderPairs, right: HeaderPairs, found: Differences) -> None:
        """Add the differences. Fields that describe the content are left out where the body is the difference."""
        is_about_body = any(found.has("body", kind) for kind in ("missing", "extra", "encoding"))
        for name in self._names:
            if is_about_body and name in _OF_CONTENT:
                continue
            one, other = members(left, name), members(right, name)
            if one == other:
                continue
            has_same_members = Counter(one) == Counter(other)
            if not (has_same_members and name in _UNORDERED):
                self._add(found, name, "order" if has_same_members else "header", (one, other))

    def _add(
        self, found: Differences, name: str, kind: Kind, sides: tuple[list[str], list[str]]
    ) -> None:
        left, right = (", ".join(side) if side else None for side in sides)
        hidden = self._redaction.field_example
        found.add(f"header:{name}", kind, hidden(name, left), hidden(name, right))


def members(headers: HeaderPairs, name: str) -> list[str]:
    """The members of a list field, in order, whatever lines they stand in (RFC 9110 5.3)."""
    encoded = name.encode()
    lines = [
        value.decode("latin-1").strip() for field, value in headers if field.lower() == encoded
    ]
    if name == "content-type":
        return [_normal_type(line) for line in lines]
    if name not in _WHOLE:
        lines = [member.strip() for line in lines for member in _split(line)]
    if name in _CASE_INSENSITIVE:
        lines = [line.lower() for line in lines]
    return [line for line in lines if line]


def _split(line: str) -> list[str]:
    """The parts of a list between its commas. Those in quoted text separate nothing (RFC 9110 5.6.1)."""
    parts, quoted = [""], False
    for sign in line:
        if sign == '"':
            quoted = not quoted
        if sign == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _normal_type(line: str) -> str:
    kind, parameters = media_type(line.encode("latin-1"))
    charset = parameters.pop("charset", "").lower()
    # JSON is UTF-8 with and without the parameter (RFC 8259 8.1).
    is_json = kind == "application/json" or kind.endswith("+json")
    if charset and not (is_json and charset in ("utf-8", "utf8")):
        parameters["charset"] = charset
    return "; ".join([kind, *(f"{name}={value}" for name, value in sorted(parameters.items()))])
