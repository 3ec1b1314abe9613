"""`GET /explain` of the admin listener: where a request would go, and why, by the table in effect."""

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.asked import read_asked
from proxy.errors import FacadeError
from proxy.explain import explain
from proxy.table import Tables


def explaining(tables: Tables) -> Callable[[Request], Response]:
    """The endpoint. Not a coroutine, so that a large table is explained beside the event loop."""

    def answer(request: Request) -> Response:
        given = request.query_params
        try:
            asked = read_asked(
                given.get("method", "GET"),
                given.get("url", "/"),
                given.getlist("header"),
                given.get("client", "127.0.0.1"),
                given.get("bucket"),
            )
            explanation = explain(tables.current, asked)
        except FacadeError as fault:
            body = {"type": "about:blank", "title": "Bad Request", "status": 400}
            return JSONResponse(
                {**body, "detail": str(fault)}, 400, media_type="application/problem+json"
            )
        return Response(msgspec.json.encode(explanation), media_type="application/json")

    return answer
