"""One path of a match that is no regex, to be compared with the path of a request."""

from msgspec import Struct

from proxy.model.match import PathMatch
from proxy.routing.paths import is_parameter, segments_of, without_case


class PathShape(Struct, frozen=True):
    """The segments of an exact path, a prefix or a template."""

    segments: tuple[bytes | None, ...]
    """None stands for a parameter, which matches any segment that is not empty."""
    is_open: bool
    """More segments may follow."""
    ignore_trailing_slash: bool
    ignore_case: bool

    def fits(self, path: bytes) -> bool:
        """Whether it matches this variant of a path, constraints of parameters aside."""
        segments = (without_case(path) if self.ignore_case else path).split(b"/")[1:]
        if self.is_open:
            del segments[len(self.segments) :]
        elif self.ignore_trailing_slash and segments[-1] == b"":
            segments.pop()
        return len(segments) == len(self.segments) and all(
            segment != b"" if own is None else segment == own
            for own, segment in zip(self.segments, segments, strict=True)
        )


def fits(match: PathMatch, path: bytes) -> bool:
    """Whether the shape of `match` fits a path. A regex has none: its predicate decides."""
    return match.kind == "regex" or shape_of(match).fits(path)


def shape_of(path: PathMatch) -> PathShape:
    """The shape of a path that is no regex."""
    if path.is_open:
        written = segments_of(path.value)
    else:
        # An exact path has its trailing slash as an empty last segment: `/a/` is not `/a`.
        value = path.value.rstrip("/") if path.ignore_trailing_slash else path.value
        written = value.split("/")[1:]
    segments: list[bytes | None] = []
    for segment in written:
        if path.kind != "exact" and is_parameter(segment):
            segments.append(None)
        else:
            literal = segment.encode()
            segments.append(without_case(literal) if path.ignore_case else literal)
    return PathShape(tuple(segments), path.is_open, path.ignore_trailing_slash, path.ignore_case)
