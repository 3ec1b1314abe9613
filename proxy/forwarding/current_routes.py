"""Holds the `QuickRoutes` of the table in effect, and finds usual requests that are copied or judged."""

import asyncio

from msgspec.structs import replace

from proxy.downstream.interfaces import ClientConnection
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.quick_routes import QuickPlan, QuickRoutes
from proxy.http1.quick_head import QuickHead
from proxy.routing.mirrored_request import copies_requests, is_copied, mirror_of
from proxy.routing.snapshot import Snapshot

_FREED_PER_TICK = 50
"""It takes less than 0.2 ms; for all the routes of a large table, 20 ms."""


class SpecialRoutes(QuickRoutes):
    """For a table with mirrors, or with routes whose attempts are judged. `plan` is None for a request that is copied
    or judged: its plan is `special` then.

    So requests of other tables pay nothing.
    """

    __slots__ = ()

    def plan(self, head: QuickHead, client: ClientConnection, draw_bp: int) -> QuickPlan | None:
        plan = self.special = QuickRoutes.plan(self, head, client, draw_bp)
        if plan is None:
            return None
        prepared = plan.prepared
        if prepared.copies_all:
            return None
        if prepared.judged:
            if self._forwarder.health.current.breaker(prepared.ref.backend) != "closed":
                self.special = None  # The request may go elsewhere, or try the backend.
            return None
        self.special = None
        if not (prepared.copied and is_copied(mirror_of(prepared.route), draw_bp)):
            return plan
        self.special = replace(plan, read=plan.read + prepared.copied)
        return None


class CurrentQuickRoutes:
    """Holds the `QuickRoutes` of the table in effect."""

    __slots__ = ("_forwarder", "_routes")

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._routes = _routes_of(forwarder, forwarder.table.current)

    def get(self) -> QuickRoutes:
        routes, forwarder = self._routes, self._forwarder
        snapshot = forwarder.table.current
        if routes.snapshot is not snapshot:
            _free_some(routes.prepared())
            routes = self._routes = _routes_of(forwarder, snapshot)
        return routes


def _free_some(parts: list[object]) -> None:
    """Free prepared routes of a replaced table, some in each tick."""
    del parts[-_FREED_PER_TICK:]
    if parts:
        asyncio.get_running_loop().call_soon(_free_some, parts)


def _routes_of(forwarder: Forwarder, snapshot: Snapshot) -> QuickRoutes:
    table = snapshot.table
    copies = forwarder.copies is not None and copies_requests(table)
    is_special = copies or any(route.recovers for route in table.routes)
    return SpecialRoutes(forwarder, snapshot) if is_special else QuickRoutes(forwarder, snapshot)
