"""The application of the admin listener: probes, metrics, figures, the table, `GET /explain`, and the dashboard."""

import asyncio
import os
import time
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route as Path

from proxy.dashboard.access import REPLICA_SCHEME, Access
from proxy.dashboard.app import OPEN_PATHS, Dashboard
from proxy.dashboard.replica_report import PATH as REPLICA_PATH
from proxy.dashboard.replica_report import own_report
from proxy.downstream.asgi_types import App, Receive, Scope, Send
from proxy.errors import FacadeError
from proxy.model import BackendHealth, Health
from proxy.routing.explain import explain
from proxy.routing.request_spec import read_request_spec
from proxy.routing.route_row import route_row
from proxy.routing.snapshot import CurrentTable
from proxy.server.admin.figures import figures_report
from proxy.server.admin.parity import parity_paths
from proxy.server.admin.problems import problem
from proxy.server.parity import ParityKeeper
from proxy.server.probes import Health as FacadeHealth
from proxy.server.settings import Settings, Token
from proxy.telemetry.health_report import health_in
from proxy.telemetry.prometheus import CONTENT_TYPE, exposition
from proxy.telemetry.shared_memory import Connections, SharedStats
from proxy.upstream.affinity import endpoint_of

_PROBES = ("/healthz", "/readyz")


def table_state(table: CurrentTable) -> dict[str, Any]:
    """The table in effect, its age, and the result of the last reload."""
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
    }


def backend_states(table: CurrentTable, stats: SharedStats) -> dict[str, dict[str, Any]]:
    """Each backend: its connections over all workers beside the limits of one worker and endpoint, and its health."""
    found: dict[str, dict[str, Any]] = {}
    health = _health(table, stats)
    none = Connections(0, 0, 0, 0)
    for backend in table.current.table.backends:
        workers = [worker.status().backends.get(backend.name, none) for worker in stats]
        found[backend.name] = {
            "active": sum(now.in_flight - now.streams for now in workers),
            "stream": sum(now.streams for now in workers),
            "idle": sum(now.idle for now in workers),
            "max_connections": backend.max_connections,
            "tunnel": sum(now.tunnels for now in workers),
            "max_tunnels": backend.max_tunnels,
            "pending": sum(now.pending for now in workers),
        }
        monitored = health.backends.get(backend.name)
        if monitored is not None:
            found[backend.name] |= _health_members(monitored)
    return found


def _health(table: CurrentTable, stats: SharedStats) -> Health:
    return health_in(table.current, stats.health.read(), time.monotonic())


def _health_members(health: BackendHealth) -> dict[str, Any]:
    return {
        "breaker": health.breaker,
        "panic": health.is_panicking,
        "endpoints": [
            {
                "endpoint": each.endpoint,
                "state": each.state,
                "reason": each.reason or None,
                "weight": each.weight,
            }
            for each in health.endpoints
        ],
    }


def admin_app(
    table: CurrentTable,
    stats: SharedStats,
    health: FacadeHealth,
    token: Token | None,
    dashboard: Dashboard,
    parity: ParityKeeper,
) -> App:
    """The admin application. Responses are JSON, errors problem+json, metrics plain text, the dashboard HTML.

    With `token`, all paths but the probes require it, and the probes respond with their status alone. A browser is
    sent to the dashboard's login.
    """

    async def healthz(_: Request) -> Response:
        alive = health.alive()
        return JSONResponse({"status": "ok" if alive else "stuck"}, 200 if alive else 503)

    async def readyz(_: Request) -> Response:
        status = health.readiness()
        details: dict[str, Any] = {}
        if token is None:
            health.refresh()
            details = {**health.details(), **table_state(table)}
            details["backends"] = backend_states(table, stats)
        return JSONResponse({"status": status, **details}, 200 if status == "ready" else 503)

    async def routes(_: Request) -> Response:
        rows = [route_row(route) for route in table.current.table.routes]
        return JSONResponse({**table_state(table), "table": rows})

    async def metrics(_: Request) -> Response:
        health.refresh()
        pieces = []
        for piece in exposition(stats, table):
            pieces.append(piece)
            await asyncio.sleep(0)  # With one process, traffic is served on this event loop, too.
        return Response("".join(pieces), media_type=CONTENT_TYPE)

    async def figures(_: Request) -> Response:
        report = figures_report(table, stats, _health(table, stats))
        return Response(msgspec.json.encode(report), media_type="application/json")

    async def replica(_: Request) -> Response:
        health.refresh()
        report = msgspec.json.encode(own_report(table, stats))
        return Response(report, media_type="application/json")

    def explain_request(request: Request) -> Response:
        # Not a coroutine: Starlette runs it in a thread, since a large table takes long.
        return _explanation(table, _health(table, stats), request)

    app = Starlette(
        routes=[
            *(Path("/healthz", healthz), Path("/readyz", readyz)),
            *(Path("/routes", routes), Path("/explain", explain_request)),
            *(Path("/metrics", metrics), Path("/figures", figures)),
            Path(REPLICA_PATH, replica),
            *dashboard.routes(),
            *parity_paths(parity),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    return _unrouted(app if token is None else _guarded(app, token, dashboard))


def dashboard_of(
    settings: Settings, table: CurrentTable, stats: SharedStats, parity: ParityKeeper
) -> Dashboard:
    """The dashboard of the table in `settings.routes`. Its sessions depend on the admin token."""
    token = settings.admin_token
    secret, matches = (os.urandom(32), None) if token is None else (token.sha256, token.matches)
    access = Access(secret, matches, time.time, may_edit=settings.dashboard == "edit")
    replicas = None
    if settings.replicas:
        from proxy.dashboard.replicas import Replicas  # Its client takes 100 ms, and few need it.

        own = partial(own_report, table, stats)
        replicas = Replicas(settings.replicas, access.replica_fields, own)
    return Dashboard(settings.routes, table, stats, parity.reports, access, replicas)


def _explanation(table: CurrentTable, health: Health, request: Request) -> Response:
    """Explain a request by the table in effect."""
    parameters = request.query_params
    try:
        spec = read_request_spec(
            parameters.get("method", "GET"),
            parameters.get("url", "/"),
            parameters.getlist("header"),
            parameters.get("client", "127.0.0.1"),
            parameters.get("bucket"),
        )
        explanation = explain(table.current, spec, time.time(), endpoint_of, health)
    except FacadeError as error:
        return problem(400, "Bad Request", str(error))
    return Response(msgspec.json.encode(explanation), media_type="application/json")


# --- access ---------------------------------------------------------------------------------------


def _unrouted(app: App) -> App:
    """Refuse requests that a facade forwarded; it adds Via and Forwarded to each (RFC 9110 7.6.3, RFC 7239).

    A table can name the address of the admin listener as a backend, by mistake or by malice, and have `via: off`.
    """

    async def unrouted(scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope.get("headers", ())
        if any(
            name == b"forwarded" or (name == b"via" and b" facade" in value)
            for name, value in headers
        ):
            await _forbidden()(scope, receive, send)
        else:
            await app(scope, receive, send)

    return unrouted


def _guarded(app: Starlette, token: Token, dashboard: Dashboard) -> App:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        open_to_all = (
            scope["type"] != "http" or scope["path"] in _PROBES or scope["path"] in OPEN_PATHS
        )
        if (
            open_to_all
            or token.matches(_credentials(scope, "bearer"))
            or _is_replica(scope, dashboard.access)
            or dashboard.has_session(_field(scope, b"cookie"))
        ):
            await app(scope, receive, send)
        elif scope["path"] == "/" and "text/html" in _field(scope, b"accept"):
            await RedirectResponse("/login", 303)(scope, receive, send)
        else:
            await _unauthorized()(scope, receive, send)

    return guarded


def _field(scope: Scope, name: bytes) -> str:
    """The value of a field, `; ` between several of them (RFC 9113 8.2.3)."""
    values = [value for each, value in scope["headers"] if each == name]
    return b"; ".join(values).decode("latin-1")


def _is_replica(scope: Scope, access: Access) -> bool:
    """Whether another replica of this facade asks for the state of the table."""
    credentials = _credentials(scope, REPLICA_SCHEME).decode("latin-1")
    return scope["path"] == REPLICA_PATH and access.is_replica(credentials)


def _credentials(scope: Scope, scheme: str) -> bytes:
    """What follows the scheme (RFC 9110 11.6.2); empty unless there is exactly one Authorization field."""
    fields = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(fields) != 1:
        return b""
    given, _, credentials = fields[0].partition(b" ")
    return bytes(credentials).strip() if given.lower() == scheme.encode() else b""


# --- problems -------------------------------------------------------------------------------------


def _forbidden() -> Response:
    detail = "the admin listener does not answer what came through a route: ask it directly"
    return problem(403, "Forbidden", detail)


def _unauthorized() -> Response:
    detail = (
        "send the admin token: `Authorization: Bearer TOKEN`; only /healthz and /readyz go without"
    )
    headers = {"www-authenticate": 'Bearer realm="facade admin"', "cache-control": "no-store"}
    return problem(401, "Unauthorized", detail, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = "it has GET /, /healthz, /readyz, /routes, /explain, /figures, /parity, /metrics and /replica"
    return problem(error.status_code, error.detail, detail, error.headers)
