"""What a path may be taken for, and how it is rewritten.

Rule 12: what is matched is what is sent. The bytes go on verbatim, so the route has to be the same
under each reading that a server behind us may plausibly take; `path_variants` lists them.
"""

import re
from urllib.parse import quote, unquote_to_bytes

from proxy.errors import BadRequest

# A path without any of these has one reading only. It is the common case, and costs one search.
_UNUSUAL = re.compile(rb"[\x00-\x20\x7f-\xff\\%;#?]|//|/\.")
_REFUSED = re.compile(rb"[\x00-\x1f\x7f\\]")
_RAW_REFUSED = re.compile(rb"[\x00-\x20\x7f-\xff\\#?]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_OVERLONG = re.compile(rb"[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]|[\xf5-\xff]")
_SESSION = re.compile(rb";jsessionid=[^/;]*", re.IGNORECASE)
_PARAMETERS = re.compile(rb";[^/]*")
_SLASHES = re.compile(rb"/{2,}")
# Space, quotes, braces, angle brackets and non-ASCII: nobody may write these unescaped.
_ONLY_ESCAPED = re.compile(rb"(?:%(?:[89A-Fa-f][0-9A-Fa-f]|2[02]|3[CcEe]|60|7[BbDd]))+")


def path_variants(path: bytes) -> tuple[bytes, ...]:
    """Every plausible reading of a raw path, the one as sent first, without repeats.

    In all of them a `;jsessionid=…` is stripped, and escapes of what nobody may write unescaped
    (spaces, non-ASCII) are decoded. Raises BadRequest for a path that no server should be shown:
    control characters and backslashes (escaped once or twice, too), malformed escapes, overlong UTF-8.
    """
    if _UNUSUAL.search(path) is None and path.startswith(b"/"):
        return (path,)
    _refuse(path)
    sent = _ONLY_ESCAPED.sub(lambda found: unquote_to_bytes(found[0]), _SESSION.sub(b"", path))
    once = unquote_to_bytes(sent)
    twice = unquote_to_bytes(once)
    for reading in (sent, once, twice):
        if _REFUSED.search(reading) or _OVERLONG.search(reading):
            raise BadRequest("the path holds a control character, a backslash or overlong UTF-8")
    found: dict[bytes, None] = {}
    for decoded in (sent, once, twice):
        for stripped in (decoded, _PARAMETERS.sub(b"", decoded)):
            merged = _SLASHES.sub(b"/", stripped)
            for reading in (stripped, merged, resolve_dots(stripped), resolve_dots(merged)):
                found[reading] = None
                found[_SLASHES.sub(b"/", reading)] = None
    return tuple(found)


def _refuse(path: bytes) -> None:
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


def replace_prefix(path: bytes, prefix: str, replacement: str) -> bytes:
    """`path` with `replacement` in the place of `prefix`, whose segments it is known to start with.

    Counts segments, so that escapes and parameters inside the prefix do not matter. A path
    parameter of the last replaced segment stays, as it was sent.
    """
    count = len(segments_of(prefix))
    parts = path.split(b"/")
    rest = parts[count + 1 :]
    _, semicolon, parameter = parts[count].partition(b";")
    head = to_wire(replacement.rstrip("/"))
    if count and semicolon:
        head += semicolon + parameter
    return b"/".join((head, *rest)) or b"/"


def fill_template(path: bytes, template: str, pattern: str) -> bytes:
    """`template` with each `{name}` replaced by the raw segment that `pattern` has in its place."""
    parts = path.split(b"/")[1:]
    values = {
        segment: parts[position].partition(b";")[0]
        for position, segment in enumerate(segments_of(pattern))
        if is_parameter(segment)
    }
    filled = (values.get(segment, to_wire(segment)) for segment in template.split("/"))
    return b"/".join(filled)


def to_wire(path: str) -> bytes:
    """A path that is written decoded, as it goes over the wire."""
    return quote(path, safe="/!$&'()*+,;=:@~").encode()


def segments_of(path: str) -> list[str]:
    """`/a/b` and `/a/b/` have two segments, `/` has none."""
    return [] if path in ("", "/") else path.strip("/").split("/")


def is_parameter(segment: str) -> bool:
    """Whether a segment of a template is `{name}`."""
    return segment.startswith("{") and segment.endswith("}")
