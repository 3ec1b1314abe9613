"""A request that is copied, in the worker that serves it: its body, and the response that the client gets.

Both are observed as they stream by, and never held.
"""

import time
from collections.abc import Callable
from typing import Protocol

from proxy.comparison.observation import Observation
from proxy.errors import (
    ClientGone,
    RequestError,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.http1.response_head import ResponseHead
from proxy.mirroring.kept_body import KeptBody, KeptBytes
from proxy.mirroring.served import CopiedRequest, Served, served_request
from proxy.model import Route
from proxy.routing.mirrored_request import mirror_of
from proxy.routing.snapshot import Snapshot


class ExchangeOwner(Protocol):
    """Who hands the request over."""

    kept: KeptBytes

    def served(self, exchange: "CopiedExchange") -> None:
        """Request and response have ended."""

    def drop(self, exchange: "CopiedExchange", reason: str) -> None:
        """The request is not copied. Releases it."""


class CopiedExchange:
    """Mutable state of one request. `request` is called once it has ended, off its own way.

    It may refer to an object that refers to this one, so it is forgotten then: a cycle would wake the garbage
    collector (ADR 8).
    """

    __slots__ = (
        "_body",
        "_owner",
        "_request",
        "began",
        "failure",
        "head",
        "is_dropped",
        "is_over",
        "response",
        "route",
        "served_s",
        "snapshot",
        "upload",
    )

    def __init__(
        self,
        owner: ExchangeOwner,
        route: Route,
        snapshot: Snapshot,
        request: Callable[[], CopiedRequest],
        body: bytes | None,
        began: float,
    ) -> None:
        """`body` is that of the request; None if it comes by `request_data`."""
        self._owner = owner
        self.route = route
        self.snapshot = snapshot
        self._request: Callable[[], CopiedRequest] | None = request
        self._body = body
        self.began = began
        self.upload: KeptBody | None = None
        self.is_dropped = self.is_over = False
        self.head: ResponseHead | None = None
        self.served_s = 0.0
        self.failure = ""
        self.response: KeptBody | None = None

    # --- the request --------------------------------------------------------------------------------

    def request_data(self, data: bytes) -> None:
        """Bytes of the request's body."""
        if self.is_dropped or self._body is not None:
            return
        upload = self.upload
        if upload is None:
            limit = mirror_of(self.route).max_body_bytes
            upload = self.upload = KeptBody(limit, self._owner.kept)
        upload.add(data)
        if upload.is_hashed or upload.is_lost:
            self._drop("memory" if upload.is_lost else "body")

    def request_ended(self) -> None:
        """The whole body has come."""
        if self._body is None:
            self._body = b"" if self.upload is None else self.upload.data

    # --- the response -------------------------------------------------------------------------------

    def whole(self, head: ResponseHead, body: bytes, at: float) -> None:
        """The response came in one read, at `time.monotonic()`."""
        if not (self.is_dropped or self.is_over):
            self.response_head(head)
            if body:
                self.response_data(body)
            self._end("", at)

    def response_head(self, head: ResponseHead) -> None:
        if self.is_over:
            return
        self.head = head
        mirror = mirror_of(self.route)
        if mirror.compare is not None:
            self.response = KeptBody(mirror.max_body_bytes, self._owner.kept)

    def response_data(self, data: bytes) -> None:
        if self.response is not None and not (self.is_dropped or self.is_over):
            self.response.add(data)

    def over(self, error: RequestError | None, complete: bool) -> None:
        """The request has ended. Does nothing after `whole`."""
        if not self.is_over:
            failure = "" if complete else "client_gone"
            self._end(failure if error is None else failure_of(error), time.monotonic())

    def _end(self, failure: str, at: float) -> None:
        self.is_over = True
        self.failure = failure
        self.served_s = at - self.began
        if self.is_dropped:
            return
        if self.response is not None and self.response.is_lost:
            self._drop("memory")
        elif self._body is None or len(self._body) > mirror_of(self.route).max_body_bytes:
            # The body did not come to its end before the response, or is too long.
            self._drop("body")
        else:
            self._owner.served(self)

    def _drop(self, reason: str) -> None:
        self.is_dropped = True
        self._owner.drop(self, reason)

    # --- for the copy -------------------------------------------------------------------------------

    def take(self) -> Served:
        """The request and its response. Call it once."""
        request, self._request = self._request, None
        if request is None:
            raise ValueError("a request is copied once")
        ended = self.began + self.served_s
        return served_request(
            self.snapshot.version, request(), self._body or b"", self._observed(), ended
        )

    def _observed(self) -> Observation:
        head, body = self.head, self.response
        if head is None or body is None:
            return Observation(failure=self.failure or "broke", duration_s=self.served_s)
        return body.observation(head, self.served_s, self.failure)

    def release(self) -> None:
        """Keep nothing any more."""
        self._request = None
        for body in (self.upload, self.response):
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
