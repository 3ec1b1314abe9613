"""Sends spans to a collector with the OpenTelemetry SDK: in batches, from a thread, through a bounded queue.

Only this module imports the SDK, which the extra `otel` installs.
"""

import asyncio
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

from proxy.tracing.attributes import span_attributes, span_name
from proxy.tracing.traced_request import TracedRecord

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_CLOSE_S = 5.0
_TIMEOUT_S = 5.0
_DELAY_MS = 1_000
_NS = 1_000_000_000


class SpanExporter:
    """Reports requests as spans. A full queue drops spans, and a collector that is away delays nobody.

    `endpoint` is the collector's URL for traces. Further settings are the SDK's variables, such as
    `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_BSP_MAX_QUEUE_SIZE`.
    """

    def __init__(self, endpoint: str) -> None:
        name = {SERVICE_NAME: "facade", SERVICE_VERSION: version("strangler-facade")}
        # The variables win over these values.
        self._resource = Resource.create(name).merge(OTELResourceDetector().detect())
        self._scope = InstrumentationScope("strangler-facade", version("strangler-facade"))
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_S)
        self._processor = BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY_MS)

    def report(self, record: TracedRecord) -> None:
        """Queue the span of a request that has just ended."""
        if record.identity is None:
            return  # Refused before it had ids.
        ended = time.time_ns()
        trace = int(record.identity.trace_id, 16)
        parent = None
        if record.parent_id:
            parent = SpanContext(trace, int(record.parent_id, 16), True, _SAMPLED)
        failed = record.status >= 500 or not record.complete
        self._processor.on_end(
            ReadableSpan(
                span_name(record),
                SpanContext(trace, int(record.span_id, 16), False, _SAMPLED),
                parent,
                self._resource,
                span_attributes(record),
                kind=SpanKind.SERVER,
                status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
                start_time=ended - int(record.total_s * _NS),
                end_time=ended,
                instrumentation_scope=self._scope,
            )
        )

    async def aclose(self) -> None:
        """Send the queued spans; give up after 5 s."""
        closing = asyncio.create_task(asyncio.to_thread(self._processor.shutdown))
        await asyncio.wait((closing,), timeout=_CLOSE_S)
