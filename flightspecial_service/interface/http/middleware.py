"""Where a request comes in and its answer goes out: ids, counters, the access log, the drain."""

import logging
import time

from starlette.types import Scope

from flightspecial_service.interface.http.messages import Answer, HeaderPairs
from flightspecial_service.telemetry import Telemetry
from flightspecial_service.tracing import Ids, current, read_ids

log = logging.getLogger(__name__)


class Drain:
    """On once the service is to stop: it still answers, and asks everybody to go elsewhere."""

    def __init__(self) -> None:
        self.on = False


class Edge:
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

    def dressed(self, answer: Answer, ids: Ids, more: HeaderPairs) -> Answer:
        """The answer with the headers that all answers have."""
        headers = (*answer.headers, *self._headers, *more, (b"x-request-id", ids.request_id))
        if self._drain.on:
            headers = (*headers, (b"connection", b"close"))
        return Answer(answer.status, answer.body, headers)

    def end(self, scope: Scope, route: str, answer: Answer, began: float) -> None:
        """Count the request, and log it if that is wanted."""
        took_s = time.perf_counter() - began
        self._telemetry.answered(scope["method"], route, answer.status, took_s)
        if self._access_log:
            log.info(
                "answered",
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": answer.status,
                    "bytes": len(answer.body),
                    "took_ms": round(took_s * 1000, 2),
                },
            )
