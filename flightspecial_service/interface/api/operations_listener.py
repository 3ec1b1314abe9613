"""The operations listener: probes, metrics, versions, and the log level at run time."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Literal

from msgspec import Struct
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.types import Receive, Scope, Send

from flightspecial_service import logs
from flightspecial_service.errors import Forbidden
from flightspecial_service.interface.api.bodies import read_body
from flightspecial_service.interface.api.probes import Probes
from flightspecial_service.interface.api.schemas import json_response
from flightspecial_service.interface.http.messages import Handler, Request, Response
from flightspecial_service.interface.http.middleware import Middleware
from flightspecial_service.interface.http.resource import Resource
from flightspecial_service.telemetry import Telemetry

_METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4.encode()


class Info(Struct, frozen=True, rename="camel"):
    """What runs: `migration` is the newest migration of this version."""

    name: str
    version: str
    build: str
    profile: str
    migration: str
    started_at: str
    python: str
    packages: Mapping[str, str]


class LogLevel(Struct, frozen=True, forbid_unknown_fields=True):
    """The level of the service's own log lines."""

    level: Literal["debug", "info", "warning", "error"]


class OperationsApi:
    """The handlers of the operations listener, besides the probes."""

    def __init__(self, telemetry: Telemetry, info: Info) -> None:
        self._telemetry = telemetry
        self._info = info

    async def metrics(self, request: Request) -> Response:
        """The metrics, for Prometheus."""
        return Response(200, self._telemetry.text(), ((b"content-type", _METRICS_TYPE),))

    async def info(self, request: Request) -> Response:
        """What runs."""
        return json_response(self._info)

    async def log_level(self, request: Request) -> Response:
        """The log level."""
        return json_response({"level": logs.level()})

    async def set_log_level(self, request: Request) -> Response:
        """Change the log level until the next start."""
        _check_loopback(request)
        logs.set_level(read_body(await request.json_body(), LogLevel).level)
        return await self.log_level(request)


class OperationsListener:
    """The app of the operations listener. Its paths have no parameters."""

    def __init__(self, probes: Probes, operations: OperationsApi, middleware: Middleware) -> None:
        handlers: dict[str, dict[str, Handler]] = {
            "/healthz": {"GET": probes.live},
            "/readyz": {"GET": probes.ready},
            "/metrics": {"GET": operations.metrics},
            "/info": {"GET": operations.info},
            "/log-level": {"GET": operations.log_level, "PUT": operations.set_log_level},
        }
        self._resources = {
            path: Resource(middleware, path, methods) for path, methods in handlers.items()
        }
        self._nowhere = Resource(middleware, "none", {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._resources.get(scope["path"], self._nowhere)(scope, receive, send)


def _check_loopback(request: Request) -> None:
    """Raise Forbidden unless the client is on this machine."""
    client = request.scope.get("client")
    address = ip_address(client[0]) if client else None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address is None or not address.is_loopback:
        raise Forbidden("this is allowed from the loopback interface only")
