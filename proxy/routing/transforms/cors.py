"""CORS: the fields by which a browser lets a page of another origin use a response (the Fetch standard).

A route with `cors` has one set of them, in every response: the facade drops those of the backend and writes its own.
"""

import re

from proxy.model import Cors, Facts, FieldName, HeaderPairs, Route

_ORIGIN = b"origin"
_REQUESTED_METHOD = b"access-control-request-method"
PREFLIGHT_FIELDS = (_ORIGIN.decode(), _REQUESTED_METHOD.decode())
"""The request fields that make an OPTIONS request a preflight."""
_REQUESTED_HEADERS = b"access-control-request-headers"
_FIELDS = b"access-control-"
_VARY = FieldName(b"Vary")
_ALLOW_ORIGIN = FieldName(b"Access-Control-Allow-Origin")
_ALLOW_CREDENTIALS = FieldName(b"Access-Control-Allow-Credentials")
_ALLOW_METHODS = FieldName(b"Access-Control-Allow-Methods")
_ALLOW_HEADERS = FieldName(b"Access-Control-Allow-Headers")
_EXPOSE_HEADERS = FieldName(b"Access-Control-Expose-Headers")
_MAX_AGE = FieldName(b"Access-Control-Max-Age")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_LABELS = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
# Methods that need no permission: the safelisted ones of the Fetch standard.
_SAFELISTED = frozenset(("GET", "HEAD", "POST"))


def requested_method(facts: Facts) -> str | None:
    """The method of the request that a preflight announces; None if this is no preflight."""
    if facts.method != "OPTIONS":
        return None
    methods = [value for name, value in facts.headers if name == _REQUESTED_METHOD]
    origins = [value for name, value in facts.headers if name == _ORIGIN]
    if len(methods) != 1 or len(origins) != 1 or not _TOKEN.fullmatch(methods[0]):
        return None
    return methods[0].decode()


def allowed_origin(cors: Cors, facts: Facts) -> bytes | None:
    """The value of Access-Control-Allow-Origin; None for an origin that is not allowed, or not sent."""
    if cors.any_origin:
        return b"*"
    origins = [value for name, value in facts.headers if name == _ORIGIN]
    if len(origins) != 1 or not origins[0].isascii():
        return None
    origin = origins[0].decode().lower()
    return origins[0] if any(_matches(each, origin) for each in cors.origins) else None


def _matches(pattern: str, origin: str) -> bool:
    """`https://*.example.com` matches one or more labels in front."""
    scheme, star, domain = pattern.partition("*")
    if not star:
        return origin == pattern
    if not (origin.startswith(scheme) and origin.endswith(domain)):
        return False
    return _LABELS.fullmatch(origin[len(scheme) : -len(domain)]) is not None


def with_cors(headers: HeaderPairs, route: Route | None, facts: Facts | None) -> HeaderPairs:
    """The fields of a response of `route`, with those of its policy in place of all other fields of CORS."""
    if route is None or route.cors is None or facts is None:
        return headers
    cors = route.cors
    kept = [pair for pair in headers if not pair[0].startswith(_FIELDS)]
    if not cors.any_origin:
        kept = _varying(kept)
    origin = allowed_origin(cors, facts)
    if origin is None:
        return kept
    kept.append((_ALLOW_ORIGIN, origin))
    if cors.credentials:
        kept.append((_ALLOW_CREDENTIALS, b"true"))
    if requested_method(facts) is not None:
        return kept + _permissions(cors)
    if cors.expose:
        kept.append((_EXPOSE_HEADERS, _joined(cors.expose)))
    return kept


def _permissions(cors: Cors) -> HeaderPairs:
    """The fields of the response to a preflight."""
    fields: HeaderPairs = [(_ALLOW_METHODS, _joined(cors.methods))]
    if cors.headers:
        fields.append((_ALLOW_HEADERS, _joined(cors.headers)))
    if cors.max_age_s is not None:
        fields.append((_MAX_AGE, b"%d" % cors.max_age_s))
    return fields


def _joined(names: tuple[str, ...]) -> bytes:
    return ", ".join(names).encode()


def _varying(headers: HeaderPairs) -> HeaderPairs:
    """`headers` with Origin in Vary, also where it is not allowed: no cache may mix the responses of origins.

    It is added to the first line, because some caches read one only.
    """
    values = [value for name, value in headers if name == _VARY]
    names = {each.strip().lower() for value in values for each in value.split(b",")}
    if b"*" in names or _ORIGIN in names:
        return list(headers)
    if not values:
        return [*headers, (_VARY, b"Origin")]
    at = next(at for at, (name, _) in enumerate(headers) if name == _VARY)
    name, value = headers[at]
    return [
        *headers[:at],
        (name, b"%b, Origin" % value if value else b"Origin"),
        *headers[at + 1 :],
    ]


def is_answered(route: Route, facts: Facts) -> bool:
    """Whether the facade itself responds to this request, a preflight."""
    cors = route.cors
    return cors is not None and not cors.forward and requested_method(facts) is not None


def describe(route: Route, facts: Facts) -> str:
    """What a browser makes of the response, in words; empty for a route without a policy."""
    cors = route.cors
    if cors is None:
        return ""
    sent = next((value for name, value in facts.headers if name == _ORIGIN), None)
    method = requested_method(facts)
    allowed = ", ".join(cors.origins)
    if sent is None:
        return f"pages of {allowed} may read the response; this request has no Origin"
    origin = sent.decode("utf-8", "backslashreplace")
    if allowed_origin(cors, facts) is None:
        refusal = f"the origin {origin} is none of {allowed}"
        return f"{_preflight(cors, method)}refused by the browser, because {refusal}"
    refusal = "" if method is None else _refusal(cors, method, facts)
    if refusal:
        return f"{_preflight(cors, method)}refused by the browser, because {refusal}"
    return f"{_preflight(cors, method)}allowed for {origin}"


def _preflight(cors: Cors, method: str | None) -> str:
    if method is None:
        return ""
    by = "passed on to the backend" if cors.forward else "answered by the facade"
    return f"the preflight of {method}, on the route of {method}, {by}: "


def _refusal(cors: Cors, method: str, facts: Facts) -> str:
    """Why a browser does not send the announced request; empty if it does."""
    if method not in cors.methods and "*" not in cors.methods and method not in _SAFELISTED:
        return f"{method} is not in allow_methods"
    wanted = [
        name.strip().lower()
        for field, value in facts.headers
        if field == _REQUESTED_HEADERS
        for name in value.decode("latin-1").split(",")
        if name.strip()
    ]
    for name in wanted:
        # For browsers `*` does not stand for Authorization.
        if name not in cors.headers and ("*" not in cors.headers or name == "authorization"):
            return f"{name} is not in allow_headers"
    return ""
