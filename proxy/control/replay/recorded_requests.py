"""Recorded requests, and the lines of the facade's own access log. The counterpart of `telemetry.log_line`.

A line is a JSON object. `method`, `host` and `target` are required. `bucket` is the draw. `headers`, `cookies` and
`query` have the values that the rules of the table read at that time. Other keys may be missing.
"""

from collections.abc import Iterable
from urllib.parse import quote_plus

import msgspec
from msgspec import UNSET, Struct, UnsetType

from proxy.model import ALL_BP, Facts, HeaderPairs, Known

_MAX_SHOWN = 100
# The golden ratio of all buckets: multiples of it are spread evenly.
_STEP_BP = 6_180

Values = dict[str, list[str]]


class LoggedRequest(Struct, frozen=True):
    """A request as a log has it. A request that was refused before it was parsed has no method."""

    method: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    target: str | UnsetType = UNSET
    client: str = ""
    bucket: float | UnsetType = UNSET
    """The bucket or the draw, in [0, 100)."""
    backend: str | None = None
    headers: Values = {}
    cookies: Values = {}
    query: Values = {}
    status: int = 0
    """0 if the line has none."""
    reason: str = ""
    table: str = ""
    """The version of the table that was in effect."""
    time: str = ""
    """As the log has it."""
    route: str | None = None
    """The name of the route, in a log of the facade."""
    in_text: bool = False
    """From a text log: it has the whole query, but no headers and cookies."""


class Unreadable(Exception):
    """A line that is no line of a log. The message is a short reason."""


_decoder = msgspec.json.Decoder(LoggedRequest)


def read_json_line(line: bytes) -> LoggedRequest | None:
    """The request in a line. None if it has no path: refused before it was parsed, `OPTIONS *`. Raises Unreadable."""
    try:
        logged = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)[:_MAX_SHOWN]) from None
    parts = (logged.method, logged.host, logged.target)
    if all(part is UNSET for part in parts) and logged.reason:
        return None
    missing = [
        name
        for name, part in zip(("method", "host", "target"), parts, strict=True)
        if part is UNSET
    ]
    if missing:
        raise Unreadable(f"it has no {' and no '.join(missing)}")
    if logged.target == "*":
        return None
    if not str(logged.target).startswith("/"):
        raise Unreadable("its target does not start with a slash")
    if logged.bucket is not UNSET and not 0 <= logged.bucket < 100:
        raise Unreadable(f"its bucket is {logged.bucket:g}, not in [0, 100)")
    return logged


def bucket_of(logged: LoggedRequest, number: int) -> int:
    """The draw of line `number`, in [0, 10,000): the recorded one, else one that spreads evenly over all lines."""
    if logged.bucket is UNSET:
        return number * _STEP_BP % ALL_BP
    return min(round(logged.bucket * ALL_BP / 100), ALL_BP - 1)


def known_of(logged: LoggedRequest, number: int) -> Known:
    """What the log knows of the request in line `number` beside its facts."""
    return Known(
        bucket_of(logged, number),
        logged.backend if logged.reason == "override" else None,
        logged.backend if logged.reason == "read_your_writes" else None,
    )


def facts_of_recorded(logged: LoggedRequest) -> Facts:
    """The facts of a recorded request. Raises Unreadable for text that no request can contain."""
    try:
        host = str(logged.host).encode("latin-1")
        path, _, target_query = str(logged.target).encode("latin-1").partition(b"?")
        headers: HeaderPairs = [(b"host", host)]
        headers += [
            (name.encode(), value.encode("utf-8", "surrogatepass"))
            for name, values in logged.headers.items()
            if name != "host"
            for value in values
        ]
        if logged.cookies:
            pairs = (f"{name}={value}" for name, value in _pairs(logged.cookies))
            headers.append((b"cookie", "; ".join(pairs).encode("utf-8", "surrogatepass")))
        query = target_query
        if logged.query:
            parameters = (
                f"{quote_plus(name)}={quote_plus(value)}" for name, value in _pairs(logged.query)
            )
            query = "&".join(parameters).encode()
    except UnicodeEncodeError:
        raise Unreadable("it holds text that no request can hold") from None
    # The log holds the forwarding fields that were passed on: treat them as those of a trusted peer.
    # The log has no HTTP version. A request without Host that reached a route was HTTP/1.0 (RFC 9112 3.2).
    return Facts(
        str(logged.method),
        host,
        path,
        query,
        headers,
        logged.client,
        peer=logged.client,
        peer_trusted=True,
        minor=int(host != b""),
    )


def _pairs(values_by_name: Values) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, values in values_by_name.items() for value in values)
