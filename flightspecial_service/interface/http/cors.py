"""CORS for the service's own API. The monolith's path has the rules of the monolith."""

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_REQUEST_FIELDS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Request-Id",
)
_RESPONSE_FIELDS = ("ETag", "Link", "Location", "Retry-After", "X-Build", "X-Request-Id")


def with_cors(app: ASGIApp, methods: Iterable[str], origins: tuple[str, ...]) -> ASGIApp:
    """The app with CORS for these origins; unchanged without any. No cookies: they mean nothing here."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=tuple(methods),
        allow_headers=_REQUEST_FIELDS,
        expose_headers=_RESPONSE_FIELDS,
    )
