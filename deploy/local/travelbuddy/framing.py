"""The framing of a response body."""

from starlette.requests import Request
from starlette.responses import Response


def chunked(response: Response, request: Request) -> Response:
    """`response` without Content-Length, which the server then sends chunked (not to HTTP/1.0)."""
    if request.scope["http_version"] != "1.0":
        del response.headers["content-length"]
    return response
