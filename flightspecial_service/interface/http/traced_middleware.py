"""The middleware of a service that reports spans. Chosen once, when the app is built."""

import random
import time
from collections.abc import Callable

from msgspec import Struct
from starlette.types import Scope

from flightspecial_service.interface.http.messages import Response
from flightspecial_service.interface.http.middleware import Middleware
from flightspecial_service.tracing import Ids, current


class RequestSpan(Struct, frozen=True):
    """A request that has ended. An empty `route` stands for a path that no resource has."""

    method: str
    path: str
    route: str
    status: int
    ids: Ids
    took_s: float
    headers: dict[str, str]
    """`host` and `user-agent`."""


class TracedMiddleware(Middleware):
    """Reports the requests that their caller samples, and `ratio` of those without a trace."""

    def __init__(
        self,
        inner: Middleware,
        report: Callable[[RequestSpan], None],
        ratio: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(inner.telemetry, inner.drain, inner.headers, inner.access_log)
        self._report = report
        self._ratio = ratio
        self._draw = draw

    def end(self, scope: Scope, route: str, response: Response, began: float) -> None:
        """Count and log the request, and report its span."""
        super().end(scope, route, response, began)
        ids = current.get()
        if ids is None or not (ids.sampled if ids.trace_id else self._draw() < self._ratio):
            return
        fields = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"host", b"user-agent")
        }
        took_s = time.perf_counter() - began
        path = scope["path"][:1024]
        self._report(
            RequestSpan(scope["method"], path, route, response.status, ids, took_s, fields)
        )
