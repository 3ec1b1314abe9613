"""Local replies that a table defines: direct responses and redirects."""

from proxy.http1.local_reply import LocalReply
from proxy.model import Decision, DirectResponse, Facts, FieldName, Match, Redirect
from proxy.routing.paths import replace_prefix, to_wire
from proxy.routing.transforms.facade_fields import client_origin
from proxy.routing.transforms.headers import apply_header_edits

_LOCATION = FieldName(b"Location")


def is_for_facade(facts: Facts) -> bool:
    """Whether this is OPTIONS for the server itself: target `*`, or Max-Forwards 0 (RFC 9110 7.6.2, 9.3.7)."""
    if facts.method != "OPTIONS":
        return False
    return facts.path == b"*" or any(
        name == b"max-forwards" and value and not value.strip(b"0") for name, value in facts.headers
    )


def direct_response(decision: Decision, facts: Facts) -> LocalReply:
    """The local reply of a route with a `direct_response` or a `redirect`."""
    route = decision.route
    if route.redirect is not None:
        location = redirect_location(decision.match, route.redirect, facts)
        return LocalReply(
            route.redirect.status, apply_header_edits([(_LOCATION, location)], route.response)
        )
    direct = route.direct_response or DirectResponse(410 if route.stage == "retired" else 404)
    return LocalReply(
        direct.status, apply_header_edits(list(direct.headers), route.response), direct.body
    )


def redirect_location(match: Match, redirect: Redirect, facts: Facts) -> bytes:
    """The Location: relative, unless the redirect has a scheme, host or port (RFC 9110 10.2.2)."""
    path = facts.path
    if redirect.path is not None:
        path = to_wire(redirect.path)
    elif redirect.prefix is not None and match.path is not None:
        path = replace_prefix(path, match.path.value, redirect.prefix)
    if facts.query:
        path += b"?" + facts.query
    if redirect.scheme is None and redirect.hostname is None and redirect.port is None:
        # Two leading slashes would start an authority (RFC 3986 4.2).
        return b"/" + path.lstrip(b"/") if path.startswith(b"//") else path
    # The client's own: behind a balancer that ends TLS, the connection has another scheme.
    scheme, host = client_origin(facts)
    if redirect.scheme is not None:
        scheme = redirect.scheme.encode()
    return b"%b://%b%b" % (scheme, _authority(redirect, host), path)


def _authority(redirect: Redirect, host: bytes) -> bytes:
    """`host` is the client's Host, with its port."""
    port = b""
    if not host.endswith(b"]") and b":" in host:
        host, _, port = host.rpartition(b":")
    if redirect.scheme is not None:
        port = b""
    if redirect.hostname is not None:
        host = redirect.hostname.encode()
    if redirect.port is not None:
        port = b"%d" % redirect.port
    return host + b":" + port if port else host
