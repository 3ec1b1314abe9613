"""Begins the copy of a request that the table mirrors."""

from functools import partial

from proxy.errors import UpstreamBroke
from proxy.forwarding.decided import Decided
from proxy.forwarding.forwarder import Forwarder
from proxy.http1.connection_login import has_login_credentials
from proxy.mirroring.copy import CopiedRequest, Copy
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
) -> Copy | None:
    """None for a request that is not copied. `body` is None if it comes after the head."""
    decision, mirrors = decided.decision, forwarder.mirrors
    if not decision.mirrored_to or mirrors is None or has_login_credentials(decided.facts.headers):
        return None
    if not is_copied(mirror_of(decision.route), record.draw_bp):
        return None
    record.mirrored_to = decision.mirrored_to[0]
    request = partial(CopiedRequest, decided.facts, decision, decided.identity)
    return mirrors.copy(decision.route, snapshot, request, body, began)


def end_copy(copy: Copy | None) -> None:
    """The chosen backend has failed, and the other one gets the request itself: nothing is left to compare."""
    if copy is not None:
        copy.over(UpstreamBroke("the request went to the other backend"), complete=False)
