"""`GET /parity` of the admin listener: how far the responses of two backends agree."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from proxy.server.admin.problems import problem
from proxy.server.parity import ParityKeeper


def parity_paths(keeper: ParityKeeper) -> list[Path]:
    """The paths of the parity. Their functions are no coroutines: Starlette runs them in a thread."""

    def parity(request: Request) -> Response:
        name = request.query_params.get("route")
        if name is None:
            return _json({"routes": keeper.reports()})
        return _found(keeper.report(name), name)

    def cases(request: Request) -> Response:
        name = request.query_params.get("route", "")
        return _found(keeper.cases(name), name)

    def counts(request: Request) -> Response:
        name = request.query_params.get("route")
        return _json(keeper.counts()) if name is None else _found(keeper.route_counts(name), name)

    return [Path("/parity", parity), Path("/parity/counts", counts), Path("/parity/cases", cases)]


def _found(value: object | None, route: str) -> Response:
    if value is None:
        return problem(404, "Not Found", f"no route {route!r} of the table has `mirror.compare`")
    return _json(value)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
