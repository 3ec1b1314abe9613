"""Error answers (RFC 9457)."""

from http import HTTPStatus

import msgspec
from msgspec import Struct

from flightspecial_service.errors import MethodNotAllowed, RequestError, Unavailable
from flightspecial_service.interface.http.messages import Answer, HeaderPairs

_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them: Python before 3.13 knows their older names."""


class Problem(Struct, frozen=True):
    """The body of an error answer. Its type is about:blank, the status says it all."""

    title: str
    status: int
    detail: str


def problem(error: RequestError) -> Answer:
    """An error as application/problem+json."""
    more: HeaderPairs = ()
    if isinstance(error, MethodNotAllowed):
        more = ((b"allow", ", ".join(error.allow).encode()),)
    if isinstance(error, Unavailable):
        more = ((b"retry-after", str(error.retry_after_s).encode()),)
    return problem_answer(error.status, str(error), more)


def problem_answer(status: int, detail: str, more: HeaderPairs = ()) -> Answer:
    """A problem from its parts."""
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    headers = ((b"content-type", b"application/problem+json"), (b"cache-control", b"no-store"))
    return Answer(status, msgspec.json.encode(Problem(title, status, detail)), (*headers, *more))
