"""Where a request comes in and its answer goes out: ids, counters, the access log, the drain."""

import logging
import time

from starlette.types import Scope

from flightspecial_service.interface.http.messages import HeaderPairs, Response
from flightspecial_service.telemetry import Telemetry
from flightspecial_service.tracing import Ids, current, read_ids

log = logging.getLogger(__name__)


class Drain:
    """On once the service is to stop: it still answers, and asks everybody to go elsewhere."""

    def __init__(self) -> None:
        self.on = False


class Middleware:
    """One for all paths. `headers` go with every answer."""

    def __init__(
        self,
        telemetry: Telemetry,
        drain: Drain,
        headers: HeaderPairs = (),
        access_log: bool = False,
    ) -> None:
        self._telemetry = telemetry
        self._drain = drain
        self._headers = headers
        self._access_log = access_log

    def begin(self, scope: Scope) -> tuple[Ids, float]:
        """Give the request its ids, and note when it came."""
        ids = read_ids(scope["headers"])
        current.set(ids)
        return ids, time.perf_counter()

    def with_common_headers(self, response: Response, ids: Ids, more: HeaderPairs) -> Response:
        """The answer with the headers that all answers have."""
        headers = (*response.headers, *self._headers, *more, (b"x-request-id", ids.request_id))
        if self._drain.on:
            headers = (*headers, (b"connection", b"close"))
        return Response(response.status, response.body, headers)

    def end(self, scope: Scope, route: str, response: Response, began: float) -> None:
        """Count the request, and log it if that is wanted."""
        took_s = time.perf_counter() - began
        self._telemetry.count_request(scope["method"], route, response.status, took_s)
        if self._access_log:
            log.info(
                "answered",
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": response.status,
                    "bytes": len(response.body),
                    "took_ms": round(took_s * 1000, 2),
                },
            )
