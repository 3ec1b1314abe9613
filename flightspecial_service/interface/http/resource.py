"""One resource with its methods, as an ASGI app. Errors become responses."""

import logging
from collections.abc import Callable, Mapping

from msgspec import Struct
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


def _no_fields(_request: Request, _response: Response) -> HeaderPairs:
    return ()


class Contract(Struct, frozen=True):
    """How a resource reports errors; and header fields that it adds to every response, also to errors."""

    error: Callable[[RequestError], Response] = problem
    fields: Callable[[Request, Response], HeaderPairs] = _no_fields


OWN = Contract()


class Resource:
    """Serves one path with one handler for each method; GET serves HEAD, too.

    A resource without handlers responds with 404.
    """

    def __init__(
        self,
        middleware: Middleware,
        route: str,
        handlers: Mapping[str, Handler],
        contract: Contract = OWN,
    ) -> None:
        self._middleware = middleware
        self._route = route
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self._contract = contract

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        middleware = self._middleware
        ids, began = middleware.begin(scope)
        try:
            request = Request(scope, receive)
            response = await self._respond(request)
        except ClientGone:
            return
        fields = self._contract.fields(request, response)
        await send_response(middleware.with_common_headers(response, ids, fields), send)
        middleware.end(scope, self._route, response, began)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._handler(request.scope["method"])(request)
        except RequestError as error:
            return self._contract.error(error)
        except ClientGone:
            raise
        except Exception:
            # Last resort of the request's task: the client gets a 500, the log the traceback.
            log.exception(
                "a request failed",
                extra={"method": request.scope["method"], "path": request.scope["path"]},
            )
            failure = RequestError("the service failed to answer; its log says why")
            return self._contract.error(failure)

    def _handler(self, method: str) -> Handler:
        if not self._handlers:
            raise NotFound("there is nothing at this path")
        handler = self._handlers.get(method)
        if handler is None:
            raise MethodNotAllowed(tuple(sorted(self._handlers)))
        return handler
