"""A request as text: from the command line, or from the query of `GET /explain`."""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from msgspec import Struct

from proxy.errors import FacadeError
from proxy.model import ALL_BP, Facts, Networks
from proxy.routing.facts import read_facts

_URL = re.compile(
    r"(?:(?P<scheme>https?)://(?P<host>[^/?]+)(?=[/?]|\Z))?(?P<target>(?:[/?].*)?)",
    re.DOTALL | re.I,
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2.
_BUCKET = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2})?")
Fields = tuple[tuple[str, str], ...]


class RequestSpec(Struct, frozen=True):
    """The request to explain."""

    method: str
    url: str
    """A path, or an absolute URL whose host is used."""
    headers: Fields = ()
    client: str = "127.0.0.1"
    bucket_bp: int | None = None


def read_request_spec(
    method: str, url: str, headers: Sequence[str], client: str, bucket: str | None
) -> RequestSpec:
    """Parse a request. Raises FacadeError with one sentence."""
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


def _read_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name.strip()):
        raise FacadeError(f"{line!r} is no header: write 'name: value'")
    return name.strip().lower(), value.strip()


def facts_of_spec(spec: RequestSpec, trusted: Networks) -> Facts:
    """The facts of the request.

    Raises FacadeError for an invalid URL, and BadRequest for a request that the facade refuses before it is routed.
    """
    url = _URL.fullmatch(spec.url)
    if url is None:
        raise FacadeError(
            f"{spec.url!r} is no URL: write a path like /flights, or http://host/flights"
        )
    target = url["target"] if url["target"].startswith("/") else f"/{url['target']}"
    if "#" in target:
        raise FacadeError(f"{spec.url!r} has a fragment, which no client sends: leave out the #")
    headers = [(_raw(name), _raw(value)) for name, value in spec.headers]
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", _raw(url["host"] or "localhost")))
    scheme = (url["scheme"] or "http").lower()
    return read_facts(spec.method, _raw(target), headers, spec.client, scheme, trusted)


def _raw(text: str) -> bytes:
    """The bytes that the shell passed."""
    return text.encode("utf-8", "surrogateescape")
