"""One resource with its methods, as an ASGI app. Errors become application/problem+json."""

import logging
from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

from flightspecial_service.errors import MethodNotAllowed, NotFound, RequestError
from flightspecial_service.interface.http.messages import (
    ClientGone,
    Handler,
    HeaderPairs,
    Request,
    Response,
    send_response,
)
from flightspecial_service.interface.http.middleware import Middleware
from flightspecial_service.interface.http.problems import problem

log = logging.getLogger(__name__)


class Resource:
    """Serves one path with one handler for each method; GET serves HEAD, too.

    `headers` are added to every response, also to errors: with CORS fields on successes only, a
    browser could not read the errors. A resource without handlers responds with 404.
    """

    def __init__(
        self,
        middleware: Middleware,
        route: str,
        handlers: Mapping[str, Handler],
        headers: HeaderPairs = (),
    ) -> None:
        self._middleware = middleware
        self._route = route
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        middleware = self._middleware
        ids, began = middleware.begin(scope)
        try:
            response = await self._respond(Request(scope, receive))
        except ClientGone:
            return
        await send_response(middleware.with_common_headers(response, ids, self._headers), send)
        middleware.end(scope, self._route, response, began)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._handler(request.scope["method"])(request)
        except RequestError as error:
            return problem(error)
        except ClientGone:
            raise
        except Exception:
            # Last resort of the request's task: the client gets a 500, the log the traceback.
            log.exception(
                "a request failed",
                extra={"method": request.scope["method"], "path": request.scope["path"]},
            )
            return problem(RequestError("the service failed to answer; its log says why"))

    def _handler(self, method: str) -> Handler:
        if not self._handlers:
            raise NotFound("there is nothing at this path")
        handler = self._handlers.get(method)
        if handler is None:
            raise MethodNotAllowed(tuple(sorted(self._handlers)))
        return handler
