"""The admin listener: whether the process lives, whether it is ready, and the table that is in effect."""

import time
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Path

from proxy.admin_explain import explaining
from proxy.metrics import exposition
from proxy.model import ALL_BP, Route
from proxy.predicates import describe
from proxy.table import Tables


def table_state(tables: Tables) -> dict[str, Any]:
    """Which table is in effect, how old it is in seconds, and how the last look at the file ended."""
    current, state = tables.current, tables.state
    return {
        "table_version": current.version,
        "table_age_seconds": round(time.time() - current.loaded_at, 3),
        "routes": current.index.size,
        "kill_switch": current.table.kill_switch,
        "last_reload_ok": state.ok,
        "last_error": state.error or None,
        "reloads": state.reloads,
        "failed_reloads": state.failures,
        "not_obeyed": list(current.table.unobeyed),
    }


def route_row(route: Route) -> dict[str, Any]:
    """A route as `GET /routes` and `facade routes --json` show it."""
    row: dict[str, Any] = {
        "name": route.name,
        "match": describe(route.match),
        "stage": route.stage,
        "backends": {ref.backend: ref.weight_bp * 100 / ALL_BP for ref in route.backend_refs},
    }
    if route.direct_response is not None:
        row["direct_response"] = route.direct_response.status
    if route.redirect is not None:
        row["redirect"] = route.redirect.status
    return row


def admin_app(tables: Tables, is_ready: Callable[[], bool]) -> Starlette:
    """The admin part as a Starlette application. Every answer is JSON, every error problem+json."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        ready = is_ready()
        body = {"status": "ready" if ready else "stopping", **table_state(tables)}
        return JSONResponse(body, 200 if ready else 503)

    async def routes(_: Request) -> Response:
        table = tables.current.table
        return JSONResponse({**table_state(tables), "table": [route_row(r) for r in table.routes]})

    async def metrics(_: Request) -> Response:
        return Response(exposition(tables), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(
        routes=[
            Path("/healthz", healthz),
            Path("/readyz", readyz),
            Path("/routes", routes),
            Path("/explain", explaining(tables)),
            Path("/metrics", metrics),
        ],
        exception_handlers={HTTPException: _problem},
    )


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {
        "type": "about:blank",
        "title": error.detail,
        "status": error.status_code,
        "detail": "the admin listener has GET /healthz, /readyz, /routes, /explain and /metrics",
    }
    return JSONResponse(
        body, error.status_code, error.headers, media_type="application/problem+json"
    )
