"""Spans of the facade, received over OTLP: W3C context in and out, sampled, with the decision; and none without it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.server.settings import Tier, TracingSettings
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.facade_process import ROOT, command, facade_process
from tests.support.origin import ok, origin, responding
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from tests.support.ports import free_port
from tests.support.wire import Message

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
TABLE = """
version: 1
backends: {{old: "{url}", new: "{url}", gone: http://127.0.0.1:{port}}}
routes:
  - name: order
    stage: canary
    match: {{path: {{template: "/orders/{{id}}"}}}}
    backend_refs: {{old: 70, new: 30}}
  - {{name: gone, match: {{path: {{prefix: /gone}}}}, backend_refs: gone}}
  - {{name: hello, match: {{path: {{exact: /hello}}}}, direct_response: {{status: 200, body: hello}}}}
  - {{name: rest, backend_refs: old}}
"""


class Traced:
    """A facade that reports to a receiver, and its backend."""

    def __init__(
        self, facade: RunningFacade, receiver: OtlpReceiver, received: list[Message]
    ) -> None:
        self.facade = facade
        self.receiver = receiver
        self.received = received
        """The requests that the backend got."""

    async def spans(self, count: int) -> list[ReceivedSpan]:
        return await asyncio.to_thread(self.receiver.wait_for, count)

    def sent(self, name: bytes) -> bytes:
        """A field of the last request that the backend got."""
        return self.received[-1].head.one(name)


@asynccontextmanager
async def traced(folder: Path, tier: Tier = "fast", ratio: float = 1.0) -> AsyncIterator[Traced]:
    with otlp_receiver() as receiver:
        received: list[Message] = []
        async with origin(responding(ok(), received)) as backend:
            table = TABLE.format(url=backend.url, port=free_port())
            tracing = TracingSettings(f"{receiver.url}/v1/traces", ratio)
            async with facade_in_loop(
                table, folder, tier=tier, tracing=tracing, draw=lambda: 2_345
            ) as facade:
                yield Traced(facade, receiver, received)


@pytest.mark.parametrize("tier", TIERS)
async def test_a_span_has_the_semantic_conventions_and_the_decision(
    tmp_path: Path, tier: Tier
) -> None:
    async with traced(tmp_path, tier) as site:
        await site.facade.get("/orders/7?token=secret", "user-agent: probe/1")
        span = (await site.spans(1))[0]
        version = site.facade.app.table.current.version
        request_id = span.attributes.pop("facade.request_id")
    assert len(request_id) == 32
    assert (span.name, span.kind, span.is_error, span.parent_id) == (
        "GET /orders/{id}",
        2,
        False,
        "",
    )
    assert span.duration_s > 0
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/orders/{id}",
        "http.response.status_code": 200,
        "http.request.body.size": 0,
        "http.response.body.size": 2,
        "url.scheme": "http",
        "url.path": "/orders/7",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "server.address": "facade.example",
        "user_agent.original": "probe/1",
        "facade.table": version,
        "facade.route": "order",
        "facade.stage": "canary",
        "facade.backend": "new",
        "facade.reason": "draw",
        "facade.bucket": 23.45,
    }
    assert span.resource["service.name"] == "facade"
    assert site.receiver.paths == {"/v1/traces"}


@pytest.mark.parametrize("tier", TIERS)
async def test_a_sampled_trace_goes_on_through_the_facade(tmp_path: Path, tier: Tier) -> None:
    async with traced(tmp_path, tier, ratio=0.0) as site:
        await site.facade.get("/a", f"traceparent: {SAMPLED}", "tracestate: v=1")
        span = (await site.spans(1))[0]
        assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
        assert site.sent(b"traceparent").decode() == f"00-{TRACE}-{span.span_id}-01"
        assert site.sent(b"tracestate") == b"v=1"
        line = (await site.facade.log_lines(1))[0]
        assert line["trace_id"] == TRACE


@pytest.mark.parametrize("tier", TIERS)
async def test_a_trace_that_the_client_does_not_sample_gets_no_span(
    tmp_path: Path, tier: Tier
) -> None:
    async with traced(tmp_path, tier, ratio=1.0) as site:
        await site.facade.get("/a", f"traceparent: {NOT_SAMPLED}")
        assert site.sent(b"traceparent").decode() == NOT_SAMPLED
        await site.facade.get("/b")
        span = (await site.spans(1))[0]
        assert span.attributes["url.path"] == "/b"
        assert site.sent(b"traceparent").decode() == f"00-{span.trace_id}-{span.span_id}-01"


@pytest.mark.parametrize(
    "parent", ["garbage", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", SAMPLED[:-1]]
)
async def test_a_malformed_context_begins_a_new_trace(tmp_path: Path, parent: str) -> None:
    async with traced(tmp_path) as site:
        await site.facade.get("/a", f"traceparent: {parent}", "tracestate: v=1")
        span = (await site.spans(1))[0]
        assert (span.parent_id, span.trace_id == TRACE) == ("", False)
        assert b"tracestate" not in [name for name, _ in site.received[-1].head.fields]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("path", "status", "backend"),
    [("/gone", 502, "gone"), ("/hello", 200, None), ("/a%00b", 400, None)],
)
async def test_requests_without_a_response_of_a_backend_have_a_span(
    tmp_path: Path, tier: Tier, path: str, status: int, backend: str | None
) -> None:
    async with traced(tmp_path, tier) as site:
        await site.facade.get(path)
        span = (await site.spans(1))[0]
        attributes = span.attributes
        assert attributes["http.response.status_code"] == status
        assert attributes.get("facade.backend") == backend
        assert span.is_error is (status >= 500)
        if status >= 500:
            assert attributes["error.type"] == attributes["facade.reason"]


async def test_with_a_ratio_of_nothing_only_traces_of_clients_are_sampled(tmp_path: Path) -> None:
    async with traced(tmp_path, ratio=0.0) as site:
        for _ in range(20):
            await site.facade.get("/a")
        await site.facade.get("/b", f"traceparent: {SAMPLED}")
        spans = await site.spans(1)
        assert [span.attributes["url.path"] for span in spans] == ["/b"]


async def test_a_collector_that_is_away_delays_no_request_and_no_end(tmp_path: Path) -> None:
    async with origin(responding(ok())) as backend:
        table = TABLE.format(url=backend.url, port=free_port())
        tracing = TracingSettings(f"http://127.0.0.1:{free_port()}/v1/traces", 1.0)
        async with facade_in_loop(table, tmp_path, tracing=tracing) as facade:
            for _ in range(50):
                assert b"200 OK" in await facade.get("/a")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_process_reports_all_spans_before_it_ends(tmp_path: Path, workers: str) -> None:
    with otlp_receiver() as receiver:
        options = ("--otlp-endpoint", receiver.url, "--trace-ratio", "1", "--workers", workers)
        with facade_process(tmp_path, *options) as facade:
            for _ in range(10):
                assert facade.get("/hello")[0] == 200
            assert facade.stop() == 0
        spans = receiver.wait_for(10)
        assert len(spans) == 10
        assert len({span.span_id for span in spans}) == 10


def test_the_name_of_the_service_is_that_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge")
    with otlp_receiver() as receiver:
        options = ("--otlp-endpoint", receiver.url, "--trace-ratio", "1")
        with facade_process(tmp_path, *options) as facade:
            facade.get("/hello")
            assert receiver.wait_for(1)[0].resource["service.name"] == "edge"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--otlp-endpoint", "collector:4317"), "is no collector: write its URL"),
        (("--otlp-endpoint", "ftp://collector"), "is no collector: write its URL"),
        (("--trace-ratio", "2"), "is no part of requests: write a number from 0 to 1"),
        (("--trace-ratio", "-1"), "is no part of requests"),
    ],
)
def test_a_bad_option_is_refused_in_a_sentence(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    ended = subprocess.run(
        command(*(f"{options[0]}={options[1]}",)),
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert sentence in ended.stderr


def test_without_a_collector_the_sdk_is_not_imported() -> None:
    code = (
        "import sys; from proxy.cli import serve; "
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'proxy.tracing'))])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert printed.stdout.strip() == "[]"
