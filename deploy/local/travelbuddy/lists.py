"""The two JSON lists, with Spring MVC's content negotiation and CORS."""

import json

from starlette.requests import Request
from starlette.responses import Response

from deploy.local.travelbuddy.database import Database
from deploy.local.travelbuddy.error_pages import status_report
from deploy.local.travelbuddy.framing import chunked
from deploy.local.travelbuddy.specials import Shelf

METHODS = ["GET", "OPTIONS"]
_VARY = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
_JSON_RANGES = frozenset({"*/*", "application/*", "application/json"})


class SpecialsList:
    """One list. Every response has three `Vary` fields, and names any origin if the request has one."""

    def __init__(self, shelf: Shelf, database: Database) -> None:
        self._shelf = shelf
        self._database = database

    async def respond(self, request: Request) -> Response:
        """The handler of GET, HEAD and OPTIONS."""
        response = _options(request) if request.method == "OPTIONS" else self._rows(request)
        if "origin" in request.headers and response.status_code != 403:
            response.headers["access-control-allow-origin"] = "*"
        for field in _VARY:
            response.headers.append("vary", field)
        return response

    def _rows(self, request: Request) -> Response:
        if self._database.away:
            # The original swallows every exception, so it has nothing to negotiate or to render.
            return Response()
        if not _accepts_json(request.headers.getlist("accept")):
            return status_report(406, "Not Acceptable")
        text = json.dumps(self._shelf.on_sale(), ensure_ascii=False, separators=(",", ":"))
        return chunked(Response(text, media_type="application/json"), request)


def _options(request: Request) -> Response:
    method = request.headers.get("access-control-request-method")
    if "origin" not in request.headers or method is None:
        return Response(headers={"allow": "GET,HEAD,OPTIONS"})
    if method != "GET":
        return Response("Invalid CORS request", 403)
    response = Response(
        headers={"access-control-allow-methods": "GET", "access-control-max-age": "1800"}
    )
    fields = request.headers.getlist("access-control-request-headers")
    if names := [name.strip() for name in ",".join(fields).split(",") if name.strip()]:
        response.headers["access-control-allow-headers"] = ", ".join(names)
    return response


def _accepts_json(fields: list[str]) -> bool:
    ranges = [one.partition(";")[0].strip().lower() for one in ",".join(fields).split(",")]
    return not any(ranges) or any(
        one in _JSON_RANGES or (one.startswith("application/") and one.endswith("+json"))
        for one in ranges
    )
