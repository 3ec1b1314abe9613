"""Spans of the service, received over OTLP; the trace goes on from its caller."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from msgspec.structs import replace

from flightspecial_service.app import http_app
from flightspecial_service.settings import Settings, TracingSettings, read_settings
from flightspecial_service.spans import SpanExporter
from tests.service.fakes import FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import serving
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.support.ports import free_port

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@contextmanager
def traced(ratio: float) -> Iterator[tuple[httpx.Client, OtlpReceiver]]:
    with otlp_receiver() as receiver:
        exporter = SpanExporter(f"{receiver.url}/v1/traces")
        dependencies = replace(http_dependencies(), report=exporter.report)
        settings = Settings(tracing=TracingSettings("", ratio))
        with serving(http_app(in_memory(FakeSpecials()), dependencies, settings)) as client:
            yield client, receiver
        asyncio.run(exporter.aclose())


def test_a_span_continues_the_trace_of_the_caller() -> None:
    with traced(0.0) as (client, receiver):
        headers = {
            "traceparent": f"00-{TRACE}-{PARENT}-01",
            "x-request-id": "r-1",
            "user-agent": "a",
        }
        assert client.get("/flightspecials/7", headers=headers).status_code == 404
        span = receiver.wait_for(1)[0]
    assert (span.name, span.kind) == ("GET /flightspecials/{id}", 2)
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert span.resource["service.name"] == "flightspecials"
    assert span.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "http.route": "/flightspecials/{id}",
        "url.scheme": "http",
        "url.path": "/flightspecials/7",
        "server.address": client.base_url.netloc.decode(),
        "user_agent.original": "a",
        "flightspecials.request_id": "r-1",
    }


def test_the_caller_decides_and_otherwise_the_ratio() -> None:
    with traced(1.0) as (client, receiver):
        client.get("/healthz", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        client.get("/flightspecials")
        spans = receiver.wait_for(1)
    assert [span.attributes["url.path"] for span in spans] == ["/flightspecials"]
    assert spans[0].parent_id == ""


def test_a_collector_that_is_away_fails_no_request() -> None:
    exporter = SpanExporter(f"http://127.0.0.1:{free_port()}/v1/traces")
    dependencies = replace(http_dependencies(), report=exporter.report)
    settings = Settings(tracing=TracingSettings("", 1.0))
    with serving(http_app(in_memory(FakeSpecials()), dependencies, settings)) as client:
        assert [client.get("/flightspecials").status_code for _ in range(20)] == [200] * 20
    asyncio.run(exporter.aclose())


@pytest.mark.parametrize(
    ("value", "endpoint"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://collector/otlp/v1/traces", "https://collector/otlp/v1/traces"),
    ],
)
def test_a_url_without_a_path_gets_that_of_traces(value: str, endpoint: str) -> None:
    tracing = read_settings({"OTLP_ENDPOINT": value, "TRACE_RATIO": "0.5"}).tracing
    assert tracing == TracingSettings(endpoint, 0.5)
    assert read_settings({}).tracing is None
