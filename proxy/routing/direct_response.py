"""Local replies that a table defines: direct responses and redirects."""

import re

from proxy.http1.local_reply import LocalReply
from proxy.model import (
    STRICT_PATHS,
    Decision,
    DirectResponse,
    Facts,
    FieldName,
    Match,
    PathPolicy,
    Redirect,
)
from proxy.routing.decide import PREFLIGHT
from proxy.routing.paths import fill_template, onward_path, prefix_replacer, to_wire
from proxy.routing.transforms.cors import with_cors
from proxy.routing.transforms.facade_fields import client_origin
from proxy.routing.transforms.headers import apply_header_edits
from proxy.routing.transforms.request_values import (
    UNKNOWN_ID,
    ValueSource,
    edited_query,
    resolved_edits,
    segments_for,
)

_LOCATION = FieldName(b"Location")
_NOT_IN_A_URI = re.compile(rb"[\\\x80-\xff]")


def is_for_facade(facts: Facts) -> bool:
    """Whether this is OPTIONS for the server itself: target `*`, or Max-Forwards 0 (RFC 9110 7.6.2, 9.3.7)."""
    if facts.method != "OPTIONS":
        return False
    return facts.path == b"*" or any(
        name == b"max-forwards" and value and not value.strip(b"0") for name, value in facts.headers
    )


def direct_response(decision: Decision, facts: Facts, request_id: bytes = UNKNOWN_ID) -> LocalReply:
    """The local reply to a preflight, or of a route with a `direct_response` or a `redirect`.

    Raises BadRequest for a redirect with a value that cannot be a part of a path.
    """
    route = decision.route
    source = ValueSource(facts, decision.match.path, request_id, route.path_policy)
    reply = _unedited(decision, source)
    edited = apply_header_edits(reply.headers, resolved_edits(route.response, source))
    return LocalReply(reply.status, with_cors(edited, route, facts), reply.body)


def _unedited(decision: Decision, source: ValueSource) -> LocalReply:
    """The reply without the edits and the CORS policy of the route."""
    route = decision.route
    if decision.reason == PREFLIGHT:
        return LocalReply(204, [])
    if route.redirect is not None:
        location = redirect_location(
            decision.match, route.redirect, source.facts, route.path_policy, source.request_id
        )
        return LocalReply(route.redirect.status, [(_LOCATION, location)])
    direct = route.direct_response or DirectResponse(410 if route.stage == "retired" else 404)
    return LocalReply(direct.status, list(direct.headers), direct.body)


def redirect_location(
    match: Match,
    redirect: Redirect,
    facts: Facts,
    policy: PathPolicy = STRICT_PATHS,
    request_id: bytes = UNKNOWN_ID,
) -> bytes:
    """The Location: relative, unless the redirect has a scheme, host or port (RFC 9110 10.2.2).

    Raises BadRequest as `direct_response`.
    """
    path, query, pattern = onward_path(facts.path, policy), facts.query, match.path
    source = ValueSource(facts, pattern, request_id, policy)
    if redirect.path is not None:
        path = to_wire(redirect.path)
    elif redirect.template is not None:
        more = segments_for(redirect.values, source)
        path = fill_template(
            path, redirect.template, "" if pattern is None else pattern.value, more
        )
    elif redirect.prefix is not None and pattern is not None:
        path = prefix_replacer(pattern.value, redirect.prefix)(path)
    # Browsers read a backslash as a slash, and a URI has no bytes from 0x80 on (RFC 3986 2).
    path = _NOT_IN_A_URI.sub(lambda byte: b"%%%02X" % byte[0][0], path)
    if redirect.query is not None:
        query = edited_query(query, redirect.query, source)
    if query:
        path += b"?" + query
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
