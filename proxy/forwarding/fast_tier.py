"""The fast tier as the service of a listener."""

import time

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.forwarding.decided import UNDECIDED
from proxy.forwarding.fast_request import FastRequest
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.request_body import RequestBody
from proxy.http1.request_head import RequestHead
from proxy.routing.snapshot import Snapshot
from proxy.upstream import Pool


class FastTier(Struct, frozen=True):
    """Creates the requests of the fast tier for all connections of a listener."""

    forwarder: Forwarder

    @property
    def limits(self) -> Snapshot:
        return self.forwarder.table.current

    def new_request(
        self,
        client: ClientConnection,
        head: RequestHead,
        body: bytes | None,
        draw_bp: int | None = None,
        pool: Pool | None = None,
    ) -> FastRequest:
        """A request that has not begun. `body` is the whole body, if it came with the head.

        `draw_bp` and `pool` are its draw and its endpoint, if they are chosen already.
        """
        forwarder = self.forwarder
        snapshot = forwarder.table.current
        record = forwarder.record(snapshot, draw_bp)
        began = time.monotonic()
        body_in = None
        if body is None:
            body_in = RequestBody(client, head.fields.body.kind == "chunked")
        else:
            record.received_bytes = len(body)
        sent = body or b""
        return FastRequest(
            forwarder, client, head, snapshot, record, began, sent, body_in, UNDECIDED, pool=pool
        )
