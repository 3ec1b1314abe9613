"""`GET /explain` of the admin listener: where a request would go, and why, by the table in effect."""

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.errors import FacadeError
from proxy.routing.explain import explain
from proxy.routing.request_spec import read_request_spec
from proxy.routing.snapshot import CurrentTable


def explaining(table: CurrentTable) -> Callable[[Request], Response]:
    """The endpoint. Not a coroutine, so that a large table is explained beside the event loop."""

    def answer(request: Request) -> Response:
        given = request.query_params
        try:
            asked = read_request_spec(
                given.get("method", "GET"),
                given.get("url", "/"),
                given.getlist("header"),
                given.get("client", "127.0.0.1"),
                given.get("bucket"),
            )
            explanation = explain(table.current, asked)
        except FacadeError as fault:
            body = {"type": "about:blank", "title": "Bad Request", "status": 400}
            return JSONResponse(
                {**body, "detail": str(fault)}, 400, media_type="application/problem+json"
            )
        return Response(msgspec.json.encode(explanation), media_type="application/json")

    return answer
