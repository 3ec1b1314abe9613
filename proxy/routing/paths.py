"""The variants of a path, and path rewrites.

A path is forwarded byte by byte, and servers interpret paths differently. So the route has to be the same for every
plausible interpretation (rule 12, ADR 2); `path_variants` lists them.
"""

import re
from urllib.parse import quote, unquote_to_bytes

from proxy.errors import BadRequest

# A path without any of these has one variant. It is the common case, and costs one search.
_UNUSUAL = re.compile(rb"[\x00-\x20\x7f-\xff\\%;#?]|//|/\.")
_REFUSED = re.compile(rb"[\x00-\x1f\x7f\\]")
_RAW_REFUSED = re.compile(rb"[\x00-\x20\x7f-\xff\\#?]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_OVERLONG = re.compile(rb"[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]|[\xf5-\xff]")
_SESSION = re.compile(rb";jsessionid=[^/;]*", re.IGNORECASE)
_PARAMETERS = re.compile(rb";[^/]*")
_SLASHES = re.compile(rb"/{2,}")
# Space, quotes, braces, angle brackets and non-ASCII: RFC 3986 allows these only as escapes.
_ONLY_ESCAPED = re.compile(rb"(?:%(?:[89A-Fa-f][0-9A-Fa-f]|2[02]|3[CcEe]|60|7[BbDd]))+")


TAIL = "/**"
"""At the end of a template: everything below."""


def path_variants(path: bytes) -> tuple[bytes, ...]:
    """Every plausible interpretation of a raw path without repeats, the path as sent first.

    In all of them `;jsessionid=…` is removed, and escapes of characters that cannot be written otherwise (spaces,
    non-ASCII) are decoded. Raises BadRequest for control characters and backslashes, also if they are escaped once or
    twice, for malformed escapes and for overlong UTF-8.
    """
    if _UNUSUAL.search(path) is None and path.startswith(b"/"):
        return (path,)
    _check_raw(path)
    sent = _ONLY_ESCAPED.sub(lambda escapes: unquote_to_bytes(escapes[0]), _SESSION.sub(b"", path))
    once = unquote_to_bytes(sent)
    twice = unquote_to_bytes(once)
    for decoded in (sent, once, twice):
        if _REFUSED.search(decoded) or _OVERLONG.search(decoded):
            raise BadRequest("the path holds a control character, a backslash or overlong UTF-8")
    variants: dict[bytes, None] = {}
    for decoded in (sent, once, twice):
        for stripped in (decoded, _PARAMETERS.sub(b"", decoded)):
            merged = _SLASHES.sub(b"/", stripped)
            for variant in (stripped, merged, resolve_dots(stripped), resolve_dots(merged)):
                variants[variant] = None
                variants[_SLASHES.sub(b"/", variant)] = None
    return tuple(variants)


def _check_raw(path: bytes) -> None:
    if not path.startswith(b"/"):
        raise BadRequest("the request target is not a path: it has to start with a slash")
    if _RAW_REFUSED.search(path):
        raise BadRequest("the path holds a character that has to be percent-encoded (RFC 3986)")
    if _BAD_ESCAPE.search(path):
        raise BadRequest("the path holds a % that is not followed by two hexadecimal digits")


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


def replace_prefix(path: bytes, prefix: str, replacement: str) -> bytes:
    """`path` with `replacement` in place of `prefix`. The path has to start with the segments of the prefix.

    Segments are counted, so escapes and parameters inside the prefix do not matter. A path parameter of the last
    replaced segment is kept as it was sent.
    """
    return _with_rest(to_wire(replacement.rstrip("/")), path, len(segments_of(prefix)))


def fill_template(path: bytes, template: str, pattern: str) -> bytes:
    """`template` with each `{name}` replaced by the raw segment of `path` that `pattern` names so.

    A tail (`/**`) becomes what follows the segments of `pattern`, as it was sent.
    """
    parts = path.split(b"/")[1:]
    names = segments_of(pattern)
    values = {
        segment: parts[position].partition(b";")[0]
        for position, segment in enumerate(names)
        if is_parameter(segment)
    }
    head = template.removesuffix(TAIL)
    filled = b"/".join(values.get(segment, to_wire(segment)) for segment in head.split("/"))
    return filled if head == template else _with_rest(filled, path, len(names))


def _with_rest(head: bytes, path: bytes, count: int) -> bytes:
    """`head` in place of the first `count` segments of `path`."""
    parts = path.split(b"/")
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
