"""The variants of a path, and path rewrites.

A path is forwarded byte by byte, and servers interpret paths differently. So the route has to be the same for every
plausible interpretation (rule 12, ADR 2); `path_variants` lists them. A policy leaves some of them out.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from urllib.parse import quote, unquote_to_bytes

from proxy.errors import BadRequest
from proxy.model import STRICT_PATHS, PathPolicy

# A path without any of these has one variant. It is the common case, and costs one search.
_UNUSUAL = re.compile(rb"[\x00-\x20\x7f-\xff\\%;#?]|//|/\.")
_REFUSED = re.compile(rb"[\x00-\x1f\x7f]")
_RAW_REFUSED = re.compile(rb"[\x00-\x20\x7f#?]")
_RAW_BYTES = re.compile(rb"[\x80-\xff]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_OVERLONG = re.compile(rb"[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]|[\xf5-\xff]")
_SESSION = re.compile(rb";jsessionid=[^/;]*", re.IGNORECASE)
_PARAMETERS = re.compile(rb";[^/]*")
_SLASHES = re.compile(rb"/{2,}")
_DOT_SEGMENT = re.compile(rb"/\.{1,2}(?:[/;]|\Z)")
_ENCODED_SLASH = re.compile(rb"(%2[Ff])")
_BACKSLASH = re.compile(rb"%5[Cc]")
# Space, quotes, braces, angle brackets and non-ASCII: RFC 3986 allows these only as escapes.
_ONLY_ESCAPED = re.compile(rb"(?:%(?:[89A-Fa-f][0-9A-Fa-f]|2[02]|3[CcEe]|60|7[BbDd]))+")

NO_SEGMENTS: Mapping[str, bytes] = MappingProxyType({})


TAIL = "/**"
"""At the end of a template: everything below."""


def is_plain(path: bytes) -> bool:
    """Whether a raw path has one variant, whatever the policy."""
    return _UNUSUAL.search(path) is None and path.startswith(b"/")


def path_variants(path: bytes, policy: PathPolicy = STRICT_PATHS) -> tuple[bytes, ...]:
    """The `readings_of` a raw path. Raises BadRequest for a path that `policy` does not allow: see `check_path`."""
    if is_plain(path):
        return (path,)
    _check_raw(path, policy)
    decoded = _decoded_paths(path, policy)
    _check_decoded(decoded, policy)
    return _readings(decoded, policy)


def readings_of(path: bytes, policy: PathPolicy) -> tuple[bytes, ...]:
    """Every interpretation of a raw path that counts under `policy`, without repeats, the path as sent first.

    In all of them `;jsessionid=…` is removed, and escapes of characters that cannot be written otherwise (spaces,
    non-ASCII) are decoded. A policy other than the strict one is for paths without dot segments.
    """
    return _readings(_decoded_paths(path, policy), policy)


def check_path(path: bytes, policy: PathPolicy) -> None:
    """Raises BadRequest for malformed escapes, and for control characters and overlong UTF-8, also if they are escaped
    once or twice. Raises BadRequest for backslashes and for bytes from 0x80 on, unless `policy` allows them."""
    _check_raw(path, policy)
    _check_decoded(_decoded_paths(path, policy), policy)


def _check_raw(path: bytes, policy: PathPolicy) -> None:
    if not path.startswith(b"/"):
        raise BadRequest("the request target is not a path: it has to start with a slash")
    raw_backslash = b"\\" in path and policy.backslash == "refuse"
    raw_bytes = policy.raw_bytes == "refuse" and _RAW_BYTES.search(path)
    if raw_backslash or raw_bytes or _RAW_REFUSED.search(path):
        raise BadRequest("the path holds a character that has to be percent-encoded (RFC 3986)")
    if _BAD_ESCAPE.search(path):
        raise BadRequest("the path holds a % that is not followed by two hexadecimal digits")


def _check_decoded(paths: Iterable[bytes], policy: PathPolicy) -> None:
    for path in paths:
        has_backslash = b"\\" in path and policy.backslash == "refuse"
        if has_backslash or _REFUSED.search(path) or _OVERLONG.search(path):
            raise BadRequest("the path holds a control character, a backslash or overlong UTF-8")


def _decoded_paths(path: bytes, policy: PathPolicy) -> tuple[bytes, bytes, bytes]:
    """The path as sent, decoded once and decoded twice."""
    sent = _ONLY_ESCAPED.sub(lambda escapes: unquote_to_bytes(escapes[0]), _SESSION.sub(b"", path))
    if policy.backslash == "keep":
        sent = _BACKSLASH.sub(rb"\\", sent)
    # An encoded slash that is data stays encoded. One that is escaped twice is decoded nevertheless: a backend that
    # decodes twice reads a slash.
    parts = [sent] if policy.encoded_slash == "refuse" else _ENCODED_SLASH.split(sent)
    once, twice = list(parts), list(parts)
    for position in range(0, len(parts), 2):
        once[position] = unquote_to_bytes(parts[position])
        twice[position] = unquote_to_bytes(once[position])
    return sent, b"".join(once), b"".join(twice)


def _readings(paths: Iterable[bytes], policy: PathPolicy) -> tuple[bytes, ...]:
    readings: dict[bytes, None] = {}
    for decoded in paths:
        for stripped in (decoded, _PARAMETERS.sub(b"", decoded)):
            readings.update(dict.fromkeys(_with_slashes(stripped, policy)))
            if policy.backslash == "refuse" and b"\\" in stripped:
                slashed = stripped.replace(b"\\", b"/")
                readings.update(dict.fromkeys(_with_slashes(slashed, policy)))
    return tuple(readings)


def _with_slashes(path: bytes, policy: PathPolicy) -> tuple[bytes, ...]:
    """`path` with its double slashes and dot segments read in each way that counts."""
    if policy.double_slash == "keep":
        return (path,)
    merged = _SLASHES.sub(b"/", path)
    if policy.double_slash == "merge":
        return (merged,)
    resolved = resolve_dots(path)
    return (path, merged, resolved, _SLASHES.sub(b"/", resolved), resolve_dots(merged))


def has_dot_segments(path: bytes) -> bool:
    """Whether a raw path has dot segments in some interpretation, backslashes read as slashes."""
    return any(
        _DOT_SEGMENT.search(each.replace(b"\\", b"/"))
        for each in _decoded_paths(path, STRICT_PATHS)
    )


def onward_path(path: bytes, policy: PathPolicy, with_parameters: bool = True) -> bytes:
    """The raw path as it goes on, before it is rewritten: as sent, but with `merge` its double slashes are merged.

    Dot segments keep their slashes: merging would change where they lead.
    """
    if not with_parameters and b";" in path:
        path = _PARAMETERS.sub(b"", path)
    if policy.double_slash == "merge" and b"//" in path and not has_dot_segments(path):
        return _SLASHES.sub(b"/", path)
    return path


def is_one_segment(segment: bytes) -> bool:
    """Whether a decoded value stays one segment, and is no dot segment, also if a server decodes it again."""
    for decoded in (
        segment,
        unquote_to_bytes(segment),
        unquote_to_bytes(unquote_to_bytes(segment)),
    ):
        if b"\\" in decoded or _REFUSED.search(decoded) or _OVERLONG.search(decoded):
            return False
        if any(part.partition(b";")[0] in (b".", b"..") for part in decoded.split(b"/")):
            return False
    return True


def resolve_dots(path: bytes) -> bytes:
    """`path` without its dot segments (RFC 3986 5.2.4)."""
    if b"/." not in path:
        return path
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def without_case(path: bytes) -> bytes:
    """A path or segment, for a comparison that ignores case: by Unicode's case folding, invalid UTF-8 as it is."""
    if path.isascii():
        return path.lower()
    return path.decode("utf-8", "surrogateescape").casefold().encode("utf-8", "surrogateescape")


def prefix_replacer(prefix: str, replacement: str) -> Callable[[bytes], bytes]:
    """Gives a path `replacement` in place of `prefix`. The path has to start with the segments of the prefix.

    Segments are counted, so escapes and parameters inside the prefix do not matter. A path parameter of the last
    replaced segment is kept as it was sent.
    """
    head, count = to_wire(replacement.rstrip("/")), len(segments_of(prefix))
    return lambda path: _with_rest(head, path, count)


def fill_template(
    path: bytes, template: str, pattern: str, more: Mapping[str, bytes] = NO_SEGMENTS
) -> bytes:
    """`template` with each `{name}` replaced by the raw segment of `path` that `pattern` names so.

    A tail (`/**`) becomes what follows the segments of `pattern`, as it was sent. `more` has segments for other names.
    """
    parts = path.split(b"/")[1:]
    names = segments_of(pattern)
    values = {
        segment: parts[position].partition(b";")[0]
        for position, segment in enumerate(names)
        if is_parameter(segment)
    }
    values = {**more, **values}
    head = template.removesuffix(TAIL)
    filled = b"/".join(values.get(segment, to_wire(segment)) for segment in head.split("/"))
    return filled if head == template else _with_rest(filled, path, len(names))


def _with_rest(head: bytes, path: bytes, count: int) -> bytes:
    """`head` in place of the first `count` segments of `path`."""
    parts = path.split(b"/", count + 1)
    rest = parts[count + 1 :]
    _, semicolon, parameter = parts[count].partition(b";")
    if count and semicolon:
        head = (head or b"/") + semicolon + parameter
    return b"/".join((head, *rest)) or b"/"


def to_wire(path: str) -> bytes:
    """A decoded path, percent-encoded for the wire."""
    return quote(path, safe="/!$&'()*+,;=:@~").encode()


def segments_of(path: str) -> list[str]:
    """`/a/b` and `/a/b/` have two segments, `/` has none."""
    return [] if path in ("", "/") else path.strip("/").split("/")


def is_parameter(segment: str) -> bool:
    """Whether a segment of a template is `{name}`."""
    return segment.startswith("{") and segment.endswith("}")
