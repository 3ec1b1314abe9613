"""How the requests of one lane are asked of their backend: all but what each of them has of its own."""

from msgspec import Struct

from proxy.identity import Identity
from proxy.model import Timeouts
from proxy.upstream import HttpUpstream
from proxy.upstream.request import Asked, HeadParts


class Going(Struct, eq=False):
    """Made once for a lane, used by each of its requests."""

    upstream: HttpUpstream
    timeouts: Timeouts
    parts: HeadParts
    tells_identity: bool
    """Each request's own id and trace are added. Not so where the table edits them: then they are in `parts`."""
    repeatable: bool
    """A request may be sent once more where no byte of an answer came: it is safe, and has no body."""
    is_head: bool
    switching: bool
    """It asks for another protocol."""
    around: dict[bytes, tuple[bytes, bytes, bytes]] = {}
    """`HeadParts.around`, by the endpoint's authority."""

    def asked(self, target: bytes, identity: Identity) -> Asked:
        """One of the requests, for an exchange that is awaited."""
        parts = self.parts
        return Asked(
            parts.method,
            parts.body,
            self.timeouts,
            lambda authority: self.head(target, authority, identity),
        )

    def head(self, target: bytes, authority: bytes, identity: Identity, body: bytes = b"") -> bytes:
        """A request's head as it goes over the wire; with its body, if all of that is at hand."""
        around = self.around.get(authority)
        if around is None:
            around = self.around[authority] = self.parts.around(authority)
        before, behind, last = around
        if not self.tells_identity:
            return b"%b%b%b%b%b" % (before, target, behind, last, body)
        return b"%b%b%bx-request-id: %b\r\ntraceparent: %b\r\n%b%b" % (
            before,
            target,
            behind,
            identity.request_id,
            identity.traceparent,
            last,
            body,
        )
