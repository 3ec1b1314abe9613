"""How the requests of one course are asked of their backend: all but what each of them has of its own."""

from msgspec import Struct

from proxy.identity import Identity
from proxy.model import Timeouts
from proxy.upstream import HttpUpstream
from proxy.upstream.request import Asked, HeadParts


class Going(Struct, eq=False):
    """Made once for a course, used by each of its requests."""

    upstream: HttpUpstream
    timeouts: Timeouts
    parts: HeadParts
    tells_identity: bool
    """Each request's own id and trace are added. Not so where the table edits them: then they are in `parts`."""
    repeatable: bool
    """A request may be sent once more where no byte of an answer came: it is safe, and has no body."""
    ends: dict[bytes, tuple[bytes, bytes]] = {}
    """What goes before and behind a request's own lines, by the endpoint's authority."""

    @property
    def is_head(self) -> bool:
        return self.parts.method == "HEAD"

    @property
    def switching(self) -> bool:
        """It asks for another protocol."""
        return self.parts.upgrade != b""

    def asked(self, identity: Identity) -> Asked:
        """One of the requests, for an exchange that is awaited."""
        parts = self.parts
        return Asked(
            parts.method,
            parts.body,
            self.timeouts,
            lambda authority: self.head(authority, identity),
        )

    def head(self, authority: bytes, identity: Identity, body: bytes = b"") -> bytes:
        """A request's head as it goes over the wire; with its body, if all of that is at hand."""
        ends = self.ends.get(authority)
        if ends is None:
            ends = self.ends[authority] = self.parts.ends(authority)
        if not self.tells_identity:
            return b"%b%b%b" % (*ends, body)
        return b"%bx-request-id: %b\r\ntraceparent: %b\r\n%b%b" % (
            ends[0],
            identity.request_id,
            identity.traceparent,
            ends[1],
            body,
        )
