"""The routes: each path and its resource."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from flightspecial_service.interface.api.description import Description
from flightspecial_service.interface.api.legacy import MONOLITH
from flightspecial_service.interface.api.operations import Apis, Operation, operations
from flightspecial_service.interface.http.cors import with_cors
from flightspecial_service.interface.http.messages import Handler
from flightspecial_service.interface.http.middleware import Middleware
from flightspecial_service.interface.http.resource import OWN, Resource

_MONOLITH = "/travelbuddy"
_OWN = "/flightspecials"
_PATH_PARAMETERS = re.compile(rb";[^/]*")


class Paths:
    """Looks up paths without parameters in a dict; the router matches the others one by one.

    Below the monolith's context path, `;name=value` is ignored in segments, as by Tomcat, and
    `below_monolith` serves what is not in the dict.
    """

    def __init__(
        self, exact: Mapping[str, ASGIApp], router: ASGIApp, below_monolith: ASGIApp
    ) -> None:
        self._exact = exact
        self._router = router
        self._below_monolith = below_monolith

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A scope of type `lifespan` has no path.
        path: str = scope.get("path", "")
        resource = self._exact.get(path, self._router)
        if resource is self._router and path.startswith(_MONOLITH):
            # Before decoding: `%3B` begins no parameter.
            plain = unquote(_PATH_PARAMETERS.sub(b"", scope["raw_path"]))
            if f"{plain}/".startswith(f"{_MONOLITH}/"):
                resource = self._exact.get(plain, self._below_monolith)
                scope = {**scope, "path": plain}
        await resource(scope, receive, send)


def router(
    apis: Apis,
    middleware: Middleware,
    lifespan: object = None,
    cors_origins: tuple[str, ...] = (),
) -> Paths:
    """All routes. There are no redirects. Pages of `cors_origins` may use the own API."""
    described = operations(apis)
    description = Description(described)
    paths = _by_path(described)
    paths["/openapi.json"] = {"GET": description.openapi}
    paths["/docs"] = {"GET": description.page}
    resources = {
        path: with_cors(_resource(middleware, path, handlers), handlers, cors_origins)
        if path.startswith(_OWN)
        else _resource(middleware, path, handlers)
        for path, handlers in paths.items()
    }
    exact = {path: resource for path, resource in resources.items() if "{" not in path}
    table = [Route(path, resource) for path, resource in resources.items() if path not in exact]
    nowhere = Resource(middleware, "none", {})
    below_monolith = Resource(middleware, "none", {}, MONOLITH)
    rest = Router(table, redirect_slashes=False, default=nowhere, lifespan=lifespan)  # type: ignore[arg-type]
    return Paths(exact, rest, below_monolith)


def _resource(middleware: Middleware, path: str, handlers: dict[str, Handler]) -> Resource:
    contract = MONOLITH if path.startswith(_MONOLITH) else OWN
    return Resource(middleware, path.rstrip("/"), handlers, contract)


def _by_path(described: Iterable[Operation]) -> dict[str, dict[str, Handler]]:
    paths: dict[str, dict[str, Handler]] = {}
    for operation in described:
        paths.setdefault(operation.path, {})[operation.method] = operation.handler
    return paths
