"""The admin listener: whether the process lives, whether it is ready, and the table that is in effect."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Path

from proxy.downstream.asgi_types import Receive, Scope, Send
from proxy.model import ALL_BP, Route
from proxy.routing.predicates import describe
from proxy.routing.snapshot import CurrentTable
from proxy.server.admin.explain import explaining
from proxy.server.probes import Health
from proxy.server.settings import Token
from proxy.telemetry.prometheus import CONTENT_TYPE, exposition
from proxy.telemetry.shared_memory import Connections, SharedStats

_PROBES = ("/healthz", "/readyz")

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def table_state(table: CurrentTable) -> dict[str, Any]:
    """Which table is in effect, how old it is in seconds, and how the last look at the file ended."""
    current, state = table.current, table.state
    return {
        "table_version": current.version,
        "table_age_seconds": round(time.time() - current.loaded_at, 3),
        "routes": current.index.size,
        "kill_switch": current.table.kill_switch,
        "last_reload_ok": state.ok,
        "last_error": state.error or None,
        "reloads": state.reloads,
        "failed_reloads": state.failures,
        "not_obeyed": list(map(str, current.table.not_implemented)),
    }


def backend_connections(table: CurrentTable, board: SharedStats) -> dict[str, dict[str, int]]:
    """What the connections of each backend do now, over all workers, beside the limits of one worker and endpoint."""
    sums: dict[str, dict[str, int]] = {}
    for backend in table.current.table.backends:
        workers = [
            part.status().backends.get(backend.name, Connections(0, 0, 0, 0)) for part in board
        ]
        sums[backend.name] = {
            "active": sum(now.in_flight - now.streams for now in workers),
            "stream": sum(now.streams for now in workers),
            "idle": sum(now.idle for now in workers),
            "max_connections": backend.max_connections,
            "tunnel": sum(now.tunnels for now in workers),
            "max_tunnels": backend.max_tunnels,
            "pending": sum(now.pending for now in workers),
        }
    return sums


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


def admin_app(table: CurrentTable, board: SharedStats, health: Health, token: Token | None) -> App:
    """The admin part as an ASGI application. Every answer is JSON, every error problem+json.

    With a `token`, the probes stay open, but tell no more than a word; all else asks for it.
    """

    def probed(word: str, ok: bool) -> Response:
        more: dict[str, Any] = {}
        if token is None:
            health.refresh()
            more = {**health.details(), **table_state(table)}
            more["backends"] = backend_connections(table, board)
        return JSONResponse({"status": word, **more}, 200 if ok else 503)

    async def healthz(_: Request) -> Response:
        alive = health.alive()
        return JSONResponse({"status": "ok" if alive else "stuck"}, 200 if alive else 503)

    async def readyz(_: Request) -> Response:
        word = health.readiness()
        return probed(word, word == "ready")

    async def routes(_: Request) -> Response:
        rows = [route_row(route) for route in table.current.table.routes]
        return JSONResponse({**table_state(table), "table": rows})

    async def metrics(_: Request) -> Response:
        health.refresh()
        pieces = []
        for piece in exposition(board, table):
            pieces.append(piece)
            await asyncio.sleep(0)  # Where one process does everything, requests come first.
        return Response("".join(pieces), media_type=CONTENT_TYPE)

    app = Starlette(
        routes=[
            *(Path("/healthz", healthz), Path("/readyz", readyz)),
            *(Path("/routes", routes), Path("/explain", explaining(table))),
            Path("/metrics", metrics),
        ],
        exception_handlers={HTTPException: _problem},
    )
    return _unrouted(app if token is None else _guarded(app, token))


def _unrouted(app: App) -> App:
    """Refuses what came through a route: every request that a facade passes on says so in Via (RFC 9110 7.6.3).

    A table may name the admin listener's address as a backend, by mistake or by malice, under whatever name.
    """

    async def unrouted(scope: Scope, receive: Receive, send: Send) -> None:
        vias = [value for name, value in scope.get("headers", ()) if name == b"via"]
        if any(b" facade" in value for value in vias):
            await _refused_route()(scope, receive, send)
        else:
            await app(scope, receive, send)

    return unrouted


def _guarded(app: Starlette, token: Token) -> App:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        open_to_all = scope["type"] != "http" or scope["path"] in _PROBES
        if open_to_all or token.is_this(_bearer(scope)):
            await app(scope, receive, send)
        else:
            await _unauthorized()(scope, receive, send)

    return guarded


def _bearer(scope: Scope) -> bytes:
    """What stands behind `Bearer` (RFC 6750 2.1); nothing if there is not exactly one."""
    fields = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(fields) != 1:
        return b""
    scheme, _, said = fields[0].partition(b" ")
    return bytes(said).strip() if scheme.lower() == b"bearer" else b""


def _refused_route() -> Response:
    body = {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "the admin listener does not answer what came through a route: ask it directly",
    }
    return JSONResponse(body, 403, media_type="application/problem+json")


def _unauthorized() -> Response:
    body = {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "send the admin token: `Authorization: Bearer TOKEN`; only /healthz and /readyz go without",
    }
    headers = {"www-authenticate": 'Bearer realm="facade admin"', "cache-control": "no-store"}
    return JSONResponse(body, 401, headers, media_type="application/problem+json")


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
