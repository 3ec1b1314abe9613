"""The text of a body: its charset as the header names it, UTF-8 without one."""

import codecs

from proxy.comparison.problems import Undecodable

_CODECS = {"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-32", "utf-16-le"}
_CODECS |= {
    "utf-16-be",
    "utf-32-le",
    "utf-32-be",
    "euc_kr",
    "cp949",
    "shift_jis",
    "euc_jp",
    "gb18030",
}


def media_type(content_type: bytes) -> tuple[str, dict[str, str]]:
    """The type in lower case, and its parameters (RFC 9110 8.3.1). Their names are in lower case."""
    kind, *rest = content_type.decode("latin-1").split(";")
    parameters = {}
    for part in rest:
        name, equals, value = part.strip().partition("=")
        if equals:
            parameters[name.strip().lower()] = value.strip().strip('"')
    return kind.strip().lower(), parameters


def codec_of(content_type: bytes) -> str:
    """Python's name of the charset. Raises Undecodable for one that is not known."""
    name = media_type(content_type)[1].get("charset") or "utf-8"
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise Undecodable("charset") from None
    if codec not in _CODECS:
        raise Undecodable("charset")
    return "utf-8" if codec == "ascii" else codec


def text_of(body: bytes, codec: str) -> str:
    """The text without a byte order mark. Raises Undecodable."""
    try:
        return body.decode(codec).removeprefix("\ufeff")
    except UnicodeError:
        raise Undecodable("charset") from None
