"""A path and its methods, as an ASGI app: a request ends in an answer, an error in a problem."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from flightspecial_service.errors import MethodNotAllowed, NotFound, RequestError, Unavailable
from flightspecial_service.interface.exchange import (
    Answer,
    Call,
    ClientGone,
    Handler,
    HeaderPairs,
    send_answer,
)

log = logging.getLogger(__name__)

_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them: Python before 3.13 knows their older names."""


class Problem(Struct, frozen=True, omit_defaults=True):
    """The body of an error answer (RFC 9457). Its type is about:blank, the status says it all."""

    title: str
    status: int
    detail: str


class Resource:
    """Answers one path: GET (and so HEAD), POST, and so on, each by its handler.

    `headers` go with every answer, errors too: a browser reads those only if CORS allows it.
    """

    def __init__(self, handlers: Mapping[str, Handler], headers: HeaderPairs = ()) -> None:
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(Call(scope, receive))
        except ClientGone:
            return
        if self._headers:
            answer = Answer(answer.status, answer.body, (*answer.headers, *self._headers))
        await send_answer(answer, send)

    async def _answer(self, call: Call) -> Answer:
        try:
            handler = self._handlers.get(call.scope["method"])
            if handler is None:
                raise MethodNotAllowed(tuple(sorted(self._handlers)))
            return await handler(call)
        except RequestError as error:
            return problem(error)
        except ClientGone:
            raise
        except Exception:
            # The edge of the request's task: the client learns that it failed, the log learns why.
            log.exception(
                "a request failed",
                extra={"method": call.scope["method"], "path": call.scope["path"]},
            )
            return problem(RequestError("the service failed to answer; its log says why"))


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer for a path that is none of ours."""
    await send_answer(problem(NotFound("there is nothing at this path")), send)


def problem(error: RequestError) -> Answer:
    """An error as application/problem+json."""
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allow).encode()))
    if isinstance(error, Unavailable):
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    title = _TITLES.get(error.status) or HTTPStatus(error.status).phrase
    body = Problem(title, error.status, str(error))
    return Answer(error.status, msgspec.json.encode(body), tuple(headers))
