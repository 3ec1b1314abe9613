"""The services of a listener with tracing. Requests without a span go the same ways as without tracing (ADR 36)."""

from msgspec import Struct

from proxy.downstream.asgi import AsgiExtension
from proxy.downstream.asgi_types import Receive, Scope, Send
from proxy.downstream.interfaces import ActiveRequest, ClientConnection
from proxy.errors import RequestError
from proxy.forwarding.asgi_app import AsgiForwarder
from proxy.forwarding.fast_tier import FastTier
from proxy.forwarding.quick_tier import QuickTier
from proxy.forwarding.usual_request import UsualRequest
from proxy.http1.known_lines import KnownLines
from proxy.http1.local_reply import LocalReply
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_head import RequestHead
from proxy.routing.snapshot import Snapshot
from proxy.tracing.sampling import Sampler


class TracedTier(Struct, frozen=True):
    """The fast tier. Requests with a span go the general way, all others as `untraced` does."""

    untraced: QuickTier
    general: FastTier
    """With a forwarder that reports."""
    sampler: Sampler

    @property
    def limits(self) -> Snapshot:
        return self.untraced.limits

    @property
    def known(self) -> KnownLines | None:
        return self.untraced.known

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        if self.sampler.samples(head.fields.pairs):
            return self.general.new_request(client, head, body)
        return self.untraced.new_request(client, head, body)

    def new_quick_request(self, client: ClientConnection, head: QuickHead) -> ActiveRequest:
        if self.sampler.samples(head.headers):
            return self.general.new_request(client, head.strict(), head.body)
        return self.untraced.new_quick_request(client, head)

    def refusal(self, error: RequestError) -> LocalReply:
        return self.untraced.refusal(error)


class GeneralAsgiForwarder(AsgiForwarder):
    """The ASGI tier without the quick way."""

    def _usual(self, shared: AsgiExtension, draw_bp: int, began: float) -> UsualRequest | None:
        return None


class TracedAsgiApp(Struct, frozen=True):
    """The ASGI tier as an application. `general` has a forwarder that reports."""

    untraced: AsgiForwarder
    general: GeneralAsgiForwarder
    sampler: Sampler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        app = self.general if self.sampler.samples(scope["headers"]) else self.untraced
        await app(scope, receive, send)
