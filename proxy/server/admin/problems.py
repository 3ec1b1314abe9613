"""Errors of the admin listener."""

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response


def problem(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as RFC 9457 writes it."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")
