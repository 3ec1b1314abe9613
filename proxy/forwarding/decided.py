"""The decision about a request of the general way."""

from msgspec import Struct

from proxy.http1.request_head import RequestHead
from proxy.model import Decision, Facts, Match, Moment, Route
from proxy.routing.decide import decide
from proxy.routing.facts import facts_of_request, read_client
from proxy.routing.resolve import resolve
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import NO_IDENTITY, Identity, claimed_ids
from proxy.telemetry.request_record import Record


class Decided(Struct, frozen=True, eq=False):
    """The facts of a request whose route is known, the decision, and its ids."""

    facts: Facts
    decision: Decision
    identity: Identity


UNDECIDED = Decided(
    Facts("", b"", b"", b"", [], ""), Decision(Route("-", (Match(),)), "-"), NO_IDENTITY
)
"""The decision of a request without one: it has no route yet, or is for the facade itself."""


def decide_request(
    head: RequestHead, peer: str, scheme: str, snapshot: Snapshot, record: Record, moment: Moment
) -> Decided | None:
    """The decision for a request; None if the request is for the facade itself.

    Fills in `record`. Raises RequestError.
    """
    client = read_client(head.fields.pairs, peer, scheme, snapshot.trusted)
    claimed = claimed_ids(head.fields.pairs, client.peer_trusted)
    identity = record.identity = record.identify(claimed, moment.bits)
    facts = record.facts = facts_of_request(client, head.method, head.target, head.minor)
    resolution = resolve(snapshot.index, facts, client.header_bytes)
    matched = resolution.matched
    record.route = resolution.route
    record.path_policy = resolution.path_policy
    if resolution.error is not None:
        raise resolution.error
    if matched is None:
        return None
    request_id = identity.request_id
    decision = decide(snapshot.table, matched, facts, moment, request_id)
    record.decision = decision
    return Decided(facts, decision, identity)
