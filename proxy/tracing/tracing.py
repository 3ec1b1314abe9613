"""Everything of tracing that a process holds."""

from proxy.downstream.asgi_types import App
from proxy.downstream.interfaces import RequestService
from proxy.forwarding.asgi_app import AsgiForwarder
from proxy.forwarding.fast_tier import FastTier
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.quick_tier import QuickTier
from proxy.tracing.exporter import SpanExporter
from proxy.tracing.sampling import Sampler
from proxy.tracing.tiers import GeneralAsgiForwarder, TracedAsgiApp, TracedTier
from proxy.tracing.traced_request import traced


class Tracing:
    """Wraps the tiers of a process, so that they report the requests that `sampler` chooses."""

    def __init__(self, exporter: SpanExporter, sampler: Sampler, forwarder: Forwarder) -> None:
        self._exporter = exporter
        self._sampler = sampler
        self._forwarder = traced(forwarder, exporter.report)

    def fast_tier(self, untraced: QuickTier) -> RequestService:
        """The fast tier, with spans."""
        return TracedTier(untraced, FastTier(self._forwarder), self._sampler)

    def asgi_app(self, untraced: AsgiForwarder) -> App:
        """The ASGI tier, with spans."""
        return TracedAsgiApp(untraced, GeneralAsgiForwarder(self._forwarder), self._sampler)

    async def aclose(self) -> None:
        """Send the spans that are left."""
        await self._exporter.aclose()
