"""A request as a person writes it: on a command line, or in the query of `GET /explain`."""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from msgspec import Struct

from proxy.errors import FacadeError
from proxy.model import ALL_BP, Facts
from proxy.routing.facts import Networks, read_facts

_URL = re.compile(
    r"(?:(?P<scheme>https?)://(?P<host>[^/?]+)(?=[/?]|\Z))?(?P<target>(?:[/?].*)?)",
    re.DOTALL | re.I,
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2.
_BUCKET = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2})?")
Fields = tuple[tuple[str, str], ...]


class RequestSpec(Struct, frozen=True):
    """The request that is asked about, as a person writes it."""

    method: str
    url: str
    """A path, or an absolute URL whose host is used."""
    headers: Fields = ()
    client: str = "127.0.0.1"
    bucket_bp: int | None = None


def read_request_spec(
    method: str, url: str, headers: Sequence[str], client: str, bucket: str | None
) -> RequestSpec:
    """A request out of what a person wrote. Raises FacadeError with one sentence."""
    if not _TOKEN.fullmatch(method):
        raise FacadeError(f"{method!r} is no method: write one like GET")
    try:
        ip_address(client)
    except ValueError:
        raise FacadeError(f"{client!r} is no client address: write one like 192.0.2.1") from None
    if bucket is not None and not _BUCKET.fullmatch(bucket):
        raise FacadeError(f"{bucket!r} is no bucket: write a number from 0 to 99.99")
    bucket_bp = None if bucket is None else round(float(bucket) * ALL_BP / 100)
    return RequestSpec(method, url, tuple(map(_read_header, headers)), client, bucket_bp)


def _read_header(said: str) -> tuple[str, str]:
    name, colon, value = said.partition(":")
    if not colon or not _TOKEN.fullmatch(name.strip()):
        raise FacadeError(f"{said!r} is no header: write 'name: value'")
    return name.strip().lower(), value.strip()


def facts_of(asked: RequestSpec, trusted: Networks) -> Facts:
    """The request as the facade would read it.

    Raises FacadeError for what is no request, BadRequest for one that the facade refuses unread.
    """
    found = _URL.fullmatch(asked.url)
    if found is None:
        raise FacadeError(
            f"{asked.url!r} is no URL: write a path like /flights, or http://host/flights"
        )
    target = found["target"] if found["target"].startswith("/") else f"/{found['target']}"
    if "#" in target:
        raise FacadeError(f"{asked.url!r} has a fragment, which no client sends: leave out the #")
    headers = [(_raw(name), _raw(value)) for name, value in asked.headers]
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", _raw(found["host"] or "localhost")))
    scheme = (found["scheme"] or "http").lower()
    return read_facts(asked.method, _raw(target), headers, asked.client, scheme, trusted)


def _raw(said: str) -> bytes:
    """Bytes as a person's shell passed them on."""
    return said.encode("utf-8", "surrogateescape")
