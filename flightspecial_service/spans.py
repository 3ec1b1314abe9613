"""Sends spans to a collector with the OpenTelemetry SDK, which the extra `otel` installs: from a thread, in batches.

The names are the semantic conventions for HTTP servers. Only this module imports the SDK.
"""

import asyncio
import random
import time
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from flightspecial_service.interface.http.traced_middleware import RequestSpan

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)
_TIMEOUT_S = 5.0
_DELAY_MS = 1_000
_NS = 1_000_000_000


class SpanExporter:
    """Its queue is bounded: spans are dropped if the collector is away. Settings beside the URL are the SDK's."""

    def __init__(self, endpoint: str) -> None:
        release = version("strangler-facade")
        name = {SERVICE_NAME: "flightspecials", SERVICE_VERSION: release}
        self._resource = Resource.create(name).merge(OTELResourceDetector().detect())
        self._scope = InstrumentationScope("flightspecials", release)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_S)
        self._processor = BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY_MS)

    def report(self, request: RequestSpan) -> None:
        """Queue the span of a request that has just ended."""
        ended = time.time_ns()
        ids = request.ids
        trace = int(ids.trace_id, 16) if ids.trace_id else random.getrandbits(128) | 1
        parent = None
        if ids.parent_id:
            parent = SpanContext(trace, int(ids.parent_id, 16), True, _SAMPLED)
        method = request.method if request.method in _METHODS else "HTTP"
        failed = request.status >= 500
        self._processor.on_end(
            ReadableSpan(
                f"{method} {request.route}".strip(),
                SpanContext(trace, random.getrandbits(64) | 1, False, _SAMPLED),
                parent,
                self._resource,
                _attributes(request),
                kind=SpanKind.SERVER,
                status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
                start_time=ended - int(request.took_s * _NS),
                end_time=ended,
                instrumentation_scope=self._scope,
            )
        )

    async def aclose(self) -> None:
        """Send the queued spans; give up after 5 s."""
        closing = asyncio.create_task(asyncio.to_thread(self._processor.shutdown))
        await asyncio.wait((closing,), timeout=_TIMEOUT_S)


def _attributes(request: RequestSpan) -> dict[str, str | int]:
    known = request.method in _METHODS
    found: dict[str, str | int] = {
        "http.request.method": request.method if known else "_OTHER",
        "http.response.status_code": request.status,
        "url.scheme": "http",
        "url.path": request.path,
        "flightspecials.request_id": request.ids.request_id.decode("latin-1"),
    }
    if request.route:
        found["http.route"] = request.route
    if request.status >= 500:
        found["error.type"] = str(request.status)
    for field, name in (("host", "server.address"), ("user-agent", "user_agent.original")):
        if field in request.headers:
            found[name] = request.headers[field][:1024]
    return found
