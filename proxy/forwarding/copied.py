"""Begins the copy of a request that the table mirrors."""

from functools import partial

from proxy.errors import UpstreamBroke
from proxy.forwarding.decided import Decided
from proxy.forwarding.forwarder import Forwarder
from proxy.http1.connection_login import has_login_credentials
from proxy.mirroring.copied_exchange import CopiedExchange
from proxy.mirroring.served import CopiedRequest
from proxy.routing.mirrored_request import is_copied, mirror_of
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.request_record import Record


def copy_of(
    forwarder: Forwarder,
    snapshot: Snapshot,
    decided: Decided,
    record: Record,
    body: bytes | None,
    began: float,
) -> CopiedExchange | None:
    """None for a request that is not copied. `body` is None if it comes after the head."""
    decision, copies = decided.decision, forwarder.copies
    if not decision.mirrored_to or copies is None or has_login_credentials(decided.facts.headers):
        return None
    if not is_copied(mirror_of(decision.route), record.draw_bp):
        return None
    record.mirrored_to = decision.mirrored_to[0]
    request = partial(CopiedRequest, decided.facts, decision, decided.identity)
    return copies.begin(decision.route, snapshot, request, body, began)


def end_copy(copy: CopiedExchange | None) -> None:
    """The chosen backend has failed, and the other one gets the request itself: nothing is left to compare."""
    if copy is not None:
        copy.over(UpstreamBroke("the request went to the other backend"), complete=False)
