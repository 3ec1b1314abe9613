"""Error responses (RFC 9457)."""

from http import HTTPStatus

import msgspec
from msgspec import Struct

from flightspecial_service.errors import MethodNotAllowed, RequestError, Unavailable
from flightspecial_service.interface.http.messages import HeaderPairs, Response

_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Reason phrases of RFC 9110; Python before 3.13 has those of its predecessors."""


class Problem(Struct, frozen=True):
    """The body of an error answer. Its type is about:blank, the status says it all."""

    title: str
    status: int
    detail: str


def problem(error: RequestError) -> Response:
    """The error as a response in application/problem+json."""
    headers: HeaderPairs = ()
    if isinstance(error, MethodNotAllowed):
        headers = ((b"allow", ", ".join(error.allow).encode()),)
    if isinstance(error, Unavailable):
        headers = ((b"retry-after", str(error.retry_after_s).encode()),)
    return problem_response(error.status, str(error), headers)


def problem_response(status: int, detail: str, more: HeaderPairs = ()) -> Response:
    """A response in application/problem+json."""
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    headers = ((b"content-type", b"application/problem+json"), (b"cache-control", b"no-store"))
    return Response(status, msgspec.json.encode(Problem(title, status, detail)), (*headers, *more))
