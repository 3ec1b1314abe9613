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
        report = keeper.report(name)
        if report is None:
            detail = f"no route {name!r} of the table has `mirror.compare`"
            return problem(404, "Not Found", detail)
        return _json(report)

    def counts(_: Request) -> Response:
        return _json(keeper.counts())

    def cases(request: Request) -> Response:
        recorded = keeper.cases(request.query_params.get("route", ""))
        if recorded is None:
            return problem(404, "Not Found", "name a route with `mirror.compare`: ?route=NAME")
        return _json(recorded)

    return [
        Path("/parity", parity),
        Path("/parity/counts", counts),
        Path("/parity/cases", cases),
    ]


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
