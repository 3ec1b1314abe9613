"""Error responses (RFC 9457)."""

from http import HTTPStatus

import msgspec
from msgspec import UNSET, Struct, UnsetType

from flightspecial_service.errors import (
    BodyError,
    Invalid,
    MethodNotAllowed,
    RequestError,
    Unauthorized,
    Unavailable,
    WrongMediaType,
)
from flightspecial_service.interface.http.messages import HeaderPairs, Response

_TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
"""Reason phrases of RFC 9110; Python before 3.13 has those of its predecessors."""


class Problem(Struct, frozen=True):
    """The body of an error response; its type is about:blank. `errors`: every mistake of a body."""

    title: str
    status: int
    detail: str
    errors: tuple[BodyError, ...] | UnsetType = UNSET


def title(status: int) -> str:
    """The reason phrase of a status."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def problem(error: RequestError) -> Response:
    """The error as a response in application/problem+json."""
    errors = error.errors if isinstance(error, Invalid) else ()
    return problem_response(error.status, str(error), _fields(error), errors)


def _fields(error: RequestError) -> HeaderPairs:
    """The header fields that belong to the status."""
    match error:
        case MethodNotAllowed(allow=allow):
            return ((b"allow", ", ".join(allow).encode()),)
        case Unavailable(retry_after_s=seconds):
            return ((b"retry-after", str(seconds).encode()),)
        case Unauthorized(challenge=challenge):
            return ((b"www-authenticate", challenge.encode()),)
        case WrongMediaType(field=(name, value)):
            return ((name.encode(), value.encode()),)
        case _:
            return ()


def problem_response(
    status: int, detail: str, more: HeaderPairs = (), errors: tuple[BodyError, ...] = ()
) -> Response:
    """A response in application/problem+json."""
    headers = ((b"content-type", b"application/problem+json"), (b"cache-control", b"no-store"))
    body = msgspec.json.encode(Problem(title(status), status, detail, errors or UNSET))
    return Response(status, body, (*headers, *more))
