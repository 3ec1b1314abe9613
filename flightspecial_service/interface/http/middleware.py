"""What all requests share: ids, metrics, access log, common header fields, drain."""

import logging
import time

from starlette.types import Scope

from flightspecial_service.interface.http.messages import HeaderPairs, Response
from flightspecial_service.telemetry import Telemetry
from flightspecial_service.tracing import Ids, current, read_ids

log = logging.getLogger(__name__)


class Drain:
    """On after the signal to stop: requests are still served, with `Connection: close`."""

    def __init__(self) -> None:
        self.on = False


class Middleware:
    """Begins and ends each request. `headers` are added to every response."""

    def __init__(
        self,
        telemetry: Telemetry,
        drain: Drain,
        headers: HeaderPairs = (),
        access_log: bool = False,
    ) -> None:
        self.telemetry = telemetry
        self.drain = drain
        self.headers = headers
        self.access_log = access_log

    def begin(self, scope: Scope) -> tuple[Ids, float]:
        """Determine the ids of the request, and its start time."""
        ids = read_ids(scope["headers"])
        current.set(ids)
        return ids, time.perf_counter()

    def with_common_headers(self, response: Response, ids: Ids, more: HeaderPairs) -> Response:
        """The response with the header fields of all responses, and `more`."""
        headers = (*response.headers, *self.headers, *more, (b"x-request-id", ids.request_id))
        if self.drain.on:
            headers = (*headers, (b"connection", b"close"))
        return Response(response.status, response.body, headers)

    def end(self, scope: Scope, route: str, response: Response, began: float) -> None:
        """Count the request, and log it: with the access log, else at level debug."""
        took_s = time.perf_counter() - began
        self.telemetry.count_request(scope["method"], route, response.status, took_s)
        level = logging.INFO if self.access_log else logging.DEBUG
        if log.isEnabledFor(level):
            log.log(
                level,
                "answered",
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": response.status,
                    "bytes": len(response.body),
                    "took_ms": round(took_s * 1000, 2),
                },
            )
