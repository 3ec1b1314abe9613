"""One copied request. The response that the client gets is observed as it streams by, and never held."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from proxy.comparison.observation import Observation
from proxy.errors import (
    ClientGone,
    RequestError,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.http1.response_head import ResponseHead
from proxy.mirroring.kept_body import KeptBody, KeptBytes, is_good
from proxy.model import Decision, Facts, Mirror, Route
from proxy.routing.mirrored_request import mirror_of
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import Identity

_LEAST_BYTES = 64 * 1024
"""So much of a response to a copy is always read."""
_MOST_TIMES = 20
"""Two responses with the same content differ in length by not more than this: one of them may be compressed."""


class CopiedRequest(Struct, frozen=True):
    """The request as it was decided."""

    facts: Facts
    decision: Decision
    identity: Identity


class CopyOwner(Protocol):
    """Who sends a copy, and gets it back."""

    kept: KeptBytes

    def start(self, copy: "Copy") -> None:
        """The whole request has come: send the copy."""

    def drop(self, copy: "Copy", reason: str) -> None:
        """The copy ends without a comparison."""

    def served(self, copy: "Copy") -> None:
        """The client has its response."""


class Copy:
    """Mutable state of one copy. `request` is called once the copy is sent, off the way of the request itself.

    It may refer to an object that refers to this one, so it is forgotten then: a cycle would wake the garbage
    collector (ADR 8).
    """

    __slots__ = (
        "_owner",
        "_progress",
        "_request",
        "began",
        "bodies",
        "body",
        "copied",
        "failure",
        "head",
        "is_dropped",
        "is_served",
        "mirror",
        "response",
        "route",
        "seen",
        "served_s",
        "snapshot",
        "upload",
    )

    def __init__(
        self,
        owner: CopyOwner,
        route: Route,
        snapshot: Snapshot,
        request: Callable[[], CopiedRequest],
        body: bytes | None,
        began: float,
    ) -> None:
        """`body` is that of the request; None if it comes by `request_data`."""
        self._owner = owner
        self.route = route
        self.mirror: Mirror = mirror_of(route)
        self.snapshot = snapshot
        self._request: Callable[[], CopiedRequest] | None = request
        self.body = body
        self.began = began
        self.copied: CopiedRequest | None = None
        """The request, once the copy was sent."""
        self.upload: KeptBody | None = None
        self.is_dropped = self.is_served = False
        self.head: ResponseHead | None = None
        """Of the response that the client gets."""
        self.served_s = 0.0
        self.failure = ""
        self.response: KeptBody | None = None
        self.bodies: tuple[KeptBody, ...] = ()
        """Of the responses to the copy and to the baseline's second request."""
        self.seen: tuple[Observation, ...] = ()
        """These responses, once all are there."""
        self._progress: asyncio.Future[None] | None = None

    # --- the request --------------------------------------------------------------------------------

    def make_request(self) -> CopiedRequest:
        """The request, made once."""
        request, self._request = self._request, None
        if request is None:
            raise ValueError("a copy is made once")
        self.copied = request()
        return self.copied

    def request_data(self, data: bytes) -> None:
        """Bytes of the request's body."""
        if self.is_dropped or self.body is not None:
            return
        upload = self.upload
        if upload is None:
            upload = self.upload = KeptBody(self.mirror.max_body_bytes, self._owner.kept)
        upload.add(data)
        if upload.is_hashed or upload.is_lost:
            self._owner.drop(self, "memory" if upload.is_lost else "body")

    def request_ended(self) -> None:
        """The whole body has come."""
        if not self.is_dropped and self.body is None:
            self.body = b"" if self.upload is None else self.upload.data
            self._owner.start(self)

    # --- the response that the client gets ------------------------------------------------------------

    def whole(self, head: ResponseHead, body: bytes, at: float) -> None:
        """The response came in one read, at `time.monotonic()`."""
        if not (self.is_dropped or self.is_served):
            self.response_head(head)
            if body:
                self.response_data(body)
            self._end("", at)

    def response_head(self, head: ResponseHead) -> None:
        if self.is_served:
            return
        self.head = head
        if self.mirror.compare is not None:
            self.response = KeptBody(self.mirror.max_body_bytes, self._owner.kept)

    def response_data(self, data: bytes) -> None:
        if self.response is not None and not (self.is_dropped or self.is_served):
            self.response.add(data)
            self._wake()

    def over(self, error: RequestError | None, complete: bool) -> None:
        """The request of the client has ended. Does nothing after `whole`."""
        if not self.is_served:
            failure = "" if complete else "client_gone"
            self._end(failure if error is None else failure_of(error), time.monotonic())

    def _end(self, failure: str, at: float) -> None:
        self.is_served = True
        self.failure = failure
        self.served_s = at - self.began
        self._wake()
        if not self.is_dropped:
            self._owner.served(self)

    # --- the response of the copy -------------------------------------------------------------------------

    async def allows_more(self, length: int) -> bool:
        """Whether to read on after `length` bytes of the response to the copy. False: it is too long.

        It is never read much further than the response that the client gets: so a copy costs about as much as the
        request itself, whatever its backend sends.
        """
        if self.mirror.compare is None:
            return length <= self.mirror.max_body_bytes
        while length > _LEAST_BYTES:
            served = 0 if self.response is None else self.response.length
            if length <= min(_MOST_TIMES * served, served + self.mirror.max_body_bytes):
                return True
            if self.is_served:
                return False
            await self._more_served()
        return True

    async def _more_served(self) -> None:
        if self._progress is None:
            self._progress = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._progress)

    def _wake(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None and not progress.done():
            progress.set_result(None)

    # --- for the comparison -------------------------------------------------------------------------------

    @property
    def is_reverse(self) -> bool:
        """Whether the newcomer serves, and the incumbent gets the copy."""
        incumbent = self.route.backend_refs[0].backend
        return self.copied is not None and self.copied.decision.backend != incumbent

    @property
    def accept_encoding(self) -> bytes | None:
        """The codings that the client accepts."""
        headers = [] if self.copied is None else self.copied.facts.headers
        values = [value for name, value in headers if name == b"accept-encoding"]
        return b", ".join(values) if values else None

    def observed(self) -> Observation:
        """The response that the client got."""
        head, body, copied = self.head, self.response, self.copied
        if head is None or body is None or copied is None:
            return Observation(failure=self.failure or "broke", duration_s=self.served_s)
        return Observation(
            head.status,
            head.fields.pairs,
            body.data,
            body.length if body.is_hashed else None,
            body.digest,
            self.served_s,
            self.failure,
            is_good(self.route.response_ok, copied.facts.method, head, body),
        )

    def release(self) -> None:
        """Keep nothing any more."""
        self._request = None
        for body in (self.upload, self.response, *self.bodies):
            if body is not None:
                body.release()


def failure_of(error: RequestError) -> str:
    """Why a request of a client ended without a response of its backend."""
    match error:
        case ClientGone():
            return "client_gone"
        case UpstreamUnreachable():
            return "unreachable"
        case UpstreamTimeout():
            return "timeout"
        case UpstreamError():
            return "broke"
        case _:
            return "refused"
