"""Reads recorded requests from files other than logs: HAR of a browser, and lists of URLs. Pure."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from proxy.errors import FacadeError

_MAX_URL = 8 * 1024


class SentRequest(Struct, frozen=True):
    """A request as a client sent it."""

    method: str
    host: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()


class _Field(Struct):
    name: str
    value: str


class _Request(Struct):
    method: str
    url: str
    headers: list[_Field] = field(default_factory=list)


class _Entry(Struct):
    request: _Request


class _Log(Struct):
    entries: list[_Entry]


class _Har(Struct):
    log: _Log


def read_har(text: bytes, file: str) -> Iterator[SentRequest]:
    """The requests of a HAR file (HTTP Archive 1.2). Raises FacadeError."""
    try:
        har = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=_Har)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FacadeError(f"facade: {file} is no HAR file: {error}") from None
    for entry in har.log.entries:
        request = entry.request
        # HTTP/2 has pseudo header fields, whose names begin with a colon.
        fields = tuple((each.name.lower(), each.value) for each in request.headers)
        kept = tuple(each for each in fields if not each[0].startswith(":"))
        sent = _sent(request.method, request.url, kept)
        if sent is not None:
            yield sent


def read_urls(text: bytes, file: str) -> Iterator[SentRequest]:
    """A GET for each line, which is a path or a URL. Lines with `#` in front are comments. Raises FacadeError."""
    for number, line in enumerate(text.decode("utf-8", "surrogateescape").splitlines(), 1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        sent = _sent("GET", url, ())
        if sent is None:
            raise FacadeError(
                f"facade: {file}, line {number}: {url[:100]!r} is no URL: write a path like /flights"
            )
        yield sent


def _sent(method: str, url: str, headers: tuple[tuple[str, str], ...]) -> SentRequest | None:
    """None for a URL that is not sent over HTTP, for example `data:`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_path = url.startswith("/") and not parts.netloc
    if len(url) > _MAX_URL or not (is_path or (parts.scheme in ("http", "https") and parts.netloc)):
        return None
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return SentRequest(method, parts.netloc.rpartition("@")[2], target, headers)
