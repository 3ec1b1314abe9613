"""The inverse of a path rewrite that is no prefix: which path of a client leads to a path of the backend (rule 4).

A rewrite has an inverse if nothing that the match of the route found is lost in it: each parameter of the match stands
in the template of the rewrite, which reads nothing else of the request, and both have a tail or none has. A full path
has one if the match is exact. Values that the match would not take have none.
"""

import re
from urllib.parse import unquote_to_bytes

import re2
from msgspec import Struct

from proxy.model import PathMatch, Rewrite
from proxy.routing.paths import TAIL, is_one_segment, is_parameter, segments_of, to_wire

_PATH_AND_REST = re.compile(rb"([^?#]*)(.*)", re.DOTALL)


class PathInverse(Struct, frozen=True):
    """Segments of the backend's paths and of the client's. Parameters are `{name}` in both."""

    inner: tuple[str, ...]
    outer: tuple[str, ...]
    is_open: bool
    """Whether more segments may follow, in both."""
    rules: tuple[tuple[str, str], ...] = ()
    """Parameters, each with the expression that its value has to match."""

    def path(self, path: bytes) -> bytes:
        """The client's path, with query and fragment; `path` itself, if the rewrite never leads there."""
        parts = _PATH_AND_REST.fullmatch(path)
        whole, rest = (path, b"") if parts is None else parts.groups()
        segments = whole.split(b"/")[1:]
        count = len(self.inner)
        head, below = segments[:count], segments[count:]
        values = self._values(head) if len(head) == count else None
        if values is None or (below and not self.is_open):
            return path
        filled = [values[each] if is_parameter(each) else to_wire(each) for each in self.outer]
        if head and filled and not is_parameter(self.inner[-1]):
            # `;jsessionid=…` of the last segment stays with the last one.
            filled[-1] += b"".join(head[-1].partition(b";")[1:])
        return b"/" + b"/".join((*filled, *below)).lstrip(b"/") + rest

    def _values(self, head: list[bytes]) -> dict[str, bytes] | None:
        """The segments of the parameters as they were sent. None if the segments are others."""
        values: dict[str, bytes] = {}
        rules = dict(self.rules)
        for position, (own, segment) in enumerate(zip(self.inner, head, strict=True)):
            name, semicolon, _ = segment.partition(b";")
            decoded = unquote_to_bytes(name)
            if not is_parameter(own):
                if decoded != own.encode() or (semicolon and position < len(head) - 1):
                    return None
                continue
            rule = rules.get(own[1:-1])
            if not decoded or not is_one_segment(decoded) or b"/" in decoded:
                return None
            if rule is not None and not re2.fullmatch(rule.encode(), decoded):
                return None
            values[own] = segment
        return values


def inverse_of(pattern: PathMatch | None, rewrite: Rewrite) -> PathInverse | None:
    """The inverse of a rewrite for the requests of one match; None if it has none, or is a prefix rewrite."""
    if pattern is None or pattern.kind == "regex":
        return None
    outer = _segments(pattern.value)
    if rewrite.full_path is not None:
        # A query that is set may say which of several paths it was.
        if pattern.kind != "exact" or (rewrite.query is not None and rewrite.query.set):
            return None
        return PathInverse(_segments(rewrite.full_path), outer, False)
    if rewrite.template is None:
        return None
    head = rewrite.template.removesuffix(TAIL)
    has_tail = head != rewrite.template
    if pattern.is_open:
        outer = tuple(segments_of(pattern.value))
    inner = tuple(_parameter_of(each, rewrite, outer) for each in _segments(head))
    read = sorted(filter(is_parameter, inner))
    if read != sorted(filter(is_parameter, outer)) or has_tail != pattern.is_open:
        return None
    return PathInverse(inner, outer, has_tail, pattern.params)


def _segments(path: str) -> tuple[str, ...]:
    """The segments, of which the last one is empty behind a slash at the end."""
    return tuple(path.split("/")[1:])


def _parameter_of(segment: str, rewrite: Rewrite, outer: tuple[str, ...]) -> str:
    """The parameter that a segment of a rewrite is: `{path.id}` is `{id}`. Another value of the request is itself."""
    value = dict(rewrite.values).get(segment)
    if segment in outer or value is None or value.kind != "path":
        return segment
    return f"{{{value.name}}}"
