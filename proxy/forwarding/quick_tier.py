"""The fast tier as the service of a listener: which requests go the quick way (ADR 21)."""

import time

from proxy.downstream.interfaces import ClientConnection
from proxy.errors import RequestError
from proxy.forwarding.current_routes import CurrentQuickRoutes
from proxy.forwarding.fast_request import FastRequest
from proxy.forwarding.fast_tier import FastTier
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.quick_request import QuickRequest
from proxy.forwarding.quick_routes import QuickPlan
from proxy.forwarding.response_headers import refusal_reply
from proxy.forwarding.special_request import JudgedRequest, MirroredRequest
from proxy.forwarding.usual_request import usual_ids
from proxy.http1.known_lines import KnownLines
from proxy.http1.local_reply import LocalReply
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_head import RequestHead
from proxy.routing.snapshot import Snapshot
from proxy.upstream import Connection, Pool


class QuickTier:
    """The fast tier as the service of a listener: usual requests go the quick way, all others the general way.

    Without `known` all go the general way.
    """

    __slots__ = ("_forwarder", "_general", "_routes", "known")

    def __init__(self, forwarder: Forwarder, known: KnownLines | None) -> None:
        self._forwarder = forwarder
        self._general = FastTier(forwarder)
        self._routes = CurrentQuickRoutes(forwarder)
        self.known = known

    @property
    def limits(self) -> Snapshot:
        return self._forwarder.table.current

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> FastRequest:
        return self._general.new_request(client, head, body)

    def new_quick_request(
        self, client: ClientConnection, head: QuickHead
    ) -> QuickRequest | FastRequest:
        """A request that has not begun."""
        forwarder = self._forwarder
        routes = self._routes.get()
        draw_bp = forwarder.draw()
        # With a private connection the request may have to go over that one.
        plan = None if client.private is not None else routes.plan(head, client, draw_bp)
        pool: Pool | None = None
        if plan is not None:
            prepared = plan.prepared
            pool = prepared.upstream.next_pool()
            connection = pool.take_idle(prepared.repeatable and not head.has_length)
            if connection is not None:
                bits = forwarder.random_bits()
                return QuickRequest(
                    forwarder,
                    client,
                    head,
                    routes.snapshot,
                    plan,
                    bits,
                    *usual_ids(plan.claimed, bits),
                    time.monotonic(),
                    pool,
                    connection,
                )
        elif client.private is None and routes.special is not None:
            plan = routes.special
            pool = plan.prepared.upstream.next_pool()
            connection = pool.take_idle(plan.prepared.repeatable and not head.has_length)
            if connection is not None:
                return self._special(client, head, plan, pool, connection)
        return self._general.new_request(client, head.strict(), head.body, draw_bp, pool)

    def _special(
        self,
        client: ClientConnection,
        head: QuickHead,
        plan: QuickPlan,
        pool: Pool,
        connection: Connection,
    ) -> QuickRequest:
        """A request that is judged or copied. Never both."""
        forwarder, snapshot, began = self._forwarder, self._routes.get().snapshot, time.monotonic()
        bits = forwarder.random_bits()
        ids = usual_ids(plan.claimed, bits)
        if plan.prepared.judged:
            load = forwarder.loads.begin(plan.prepared.route.name)
            return JudgedRequest(
                *(forwarder, client, head, snapshot, plan, bits, *ids, began, pool, connection),
                load=load,
                period=pool.outcomes.period,
            )
        return MirroredRequest(
            forwarder, client, head, snapshot, plan, bits, *ids, began, pool, connection
        )

    def refusal(self, error: RequestError) -> LocalReply:
        """The response to bytes that never became a request."""
        return refusal_reply(error, self.limits)
