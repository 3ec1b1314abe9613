"""Answers by the facade itself: direct responses, redirects, and problems (RFC 9457)."""

import json
from http import HTTPStatus

from msgspec import Struct

from proxy.errors import RequestError
from proxy.headers import edited
from proxy.model import DirectResponse, Facts, HeaderPairs, Redirect, Route
from proxy.paths import replace_prefix, to_wire

# A 503 is over soon: the queue empties as answers arrive. Seconds, for `Retry-After`.
_RETRY_AFTER = b"1"


class Answer(Struct, frozen=True):
    """A whole answer. `headers` have no Content-Length: whoever sends it knows the length."""

    status: int
    headers: HeaderPairs
    body: bytes = b""


def asks_the_facade(facts: Facts) -> bool:
    """An OPTIONS for the server as a whole, or one that may go no further (RFC 9110 7.6.2, 9.3.7)."""
    if facts.method != "OPTIONS":
        return False
    return facts.path == b"*" or any(
        name == b"max-forwards" and value and not value.strip(b"0") for name, value in facts.headers
    )


OPTIONS_ANSWER = Answer(204, [])
"""What the facade says of itself: it answers. What methods there are, only a backend knows."""


def own_answer(route: Route, facts: Facts) -> Answer:
    """What a route without backends answers. The route has a `direct_response` or a `redirect`."""
    if route.redirect is not None:
        location = redirect_location(route, route.redirect, facts)
        return Answer(route.redirect.status, edited([(b"location", location)], route.response))
    direct = route.direct_response or DirectResponse(410 if route.stage == "retired" else 404)
    return Answer(direct.status, edited(list(direct.headers), route.response), direct.body)


def redirect_location(route: Route, redirect: Redirect, facts: Facts) -> bytes:
    """The Location: relative, unless another scheme, host or port is asked for (RFC 9110 10.2.2)."""
    path = facts.path
    if redirect.path is not None:
        path = to_wire(redirect.path)
    elif redirect.prefix is not None and route.match.path is not None:
        path = replace_prefix(path, route.match.path.value, redirect.prefix)
    if facts.query:
        path += b"?" + facts.query
    if redirect.scheme is None and redirect.hostname is None and redirect.port is None:
        # Two slashes in front would name another host.
        return b"/" + path.lstrip(b"/") if path.startswith(b"//") else path
    return b"%b://%b%b" % (_scheme(redirect, facts), _authority(redirect, facts), path)


def _scheme(redirect: Redirect, facts: Facts) -> bytes:
    return (redirect.scheme or facts.scheme).encode()


def _authority(redirect: Redirect, facts: Facts) -> bytes:
    host, port = facts.host, b""
    if not host.endswith(b"]") and b":" in host:
        host, _, port = host.rpartition(b":")
    if redirect.scheme is not None:
        port = b""
    if redirect.hostname is not None:
        host = redirect.hostname.encode()
    if redirect.port is not None:
        port = b"%d" % redirect.port
    return host + b":" + port if port else host


def problem(error: RequestError, instance: str = "") -> Answer:
    """`error` as problem+json: what happened, and the reason as one word."""
    status = error.status
    title = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Error"
    body = {"type": "about:blank", "title": title, "status": status, "detail": str(error)}
    body["reason"] = error.reason
    if instance:
        body["instance"] = instance
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    if status == 503:
        headers.append((b"retry-after", _RETRY_AFTER))
    return Answer(status, headers, json.dumps(body).encode())
