"""One copy: a request that is sent to another backend, after its client got the response."""

from proxy.comparison.observation import Observation
from proxy.mirroring.kept_body import KeptBody, KeptBytes
from proxy.mirroring.served import CopiedRequest, Served
from proxy.model import Decision, Mirror, Route
from proxy.routing.mirrored_request import mirror_of
from proxy.routing.snapshot import Snapshot

_LEAST_BYTES = 64 * 1024
"""So much of a response to a copy is always read."""
_MOST_TIMES = 20
"""Two responses with the same content differ in length by not more than this: one of them may be compressed."""


class Copy:
    """Mutable state of one copy."""

    __slots__ = (
        "_room",
        "_taken",
        "bodies",
        "body",
        "is_late",
        "mirror",
        "request",
        "route",
        "seen",
        "served",
        "snapshot",
    )

    def __init__(self, served: Served, route: Route, snapshot: Snapshot, room: KeptBytes) -> None:
        """`room` counts the bytes of the bodies, once `takes_room` was called."""
        self.route = route
        self.mirror: Mirror = mirror_of(route)
        self.snapshot = snapshot
        self.body = served.body
        self.served: Observation = served.response
        """The response that the client got."""
        self.request = CopiedRequest(served.facts, _decision(served, route), served.identity)
        self.bodies: tuple[KeptBody, ...] = ()
        """Of the responses to the copy and to the baseline's second request."""
        self.seen: tuple[Observation, ...] = ()
        """These responses, once all are there."""
        self.is_late = False
        """The process had no CPU meanwhile."""
        self._room = room
        self._taken = 0

    def takes_room(self) -> bool:
        """Whether there is room for the bodies that the worker sent. `release` gives it back."""
        size = len(self.body) + len(self.served.body)
        if not self._room.take(size):
            return False
        self._taken = size
        return True

    @property
    def most_bytes(self) -> int:
        """How much to read of the response to the copy.

        Not much more than the response of the client: so a copy costs about as much as the request itself, whatever
        its backend sends.
        """
        most = self.mirror.max_body_bytes
        if self.mirror.compare is None:
            return most
        served = self.served.body_length
        return max(_LEAST_BYTES, min(_MOST_TIMES * served, served + most))

    @property
    def is_reverse(self) -> bool:
        """Whether the newcomer serves, and the incumbent gets the copy."""
        return self.request.decision.backend != self.route.backend_refs[0].backend

    @property
    def accept_encoding(self) -> bytes | None:
        """The codings that the client accepts."""
        headers = self.request.facts.headers
        values = [value for name, value in headers if name == b"accept-encoding"]
        return b", ".join(values) if values else None

    def release(self) -> None:
        """Keep nothing any more."""
        self._room.give_back(self._taken)
        self._taken = 0
        for body in self.bodies:
            body.release()


def _decision(served: Served, route: Route) -> Decision:
    """As much of the decision as copies depend on."""
    ref = next(ref for ref in route.backend_refs if ref.backend == served.backend)
    match = route.matches[served.match]
    return Decision(route, "", ref, mirrored_to=(served.copied_to,), match=match)
