"""Stands between the connection to a backend and a request whose attempts are judged, on the fast tier (ADR 28).

    outcome of an attempt --> pass_on: the request gets the response or the error
                         \\--> retry, fallback: the request is sent again

Only a response whose body decides is held, up to a bound. There is no task and no future.
"""

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from proxy.errors import RequestError, UpstreamError
from proxy.forwarding.copied import end_copy
from proxy.forwarding.recovery import Recovery
from proxy.http1.response_head import Framing, ResponseHead
from proxy.model import HeaderPairs
from proxy.routing.next_step import Step
from proxy.routing.response_ok import MAX_JUDGED_BYTES

if TYPE_CHECKING:
    from proxy.forwarding.fast_request import FastRequest


class HeldResponse(Struct, eq=False):
    """The part of a response that has come. The body decides about it."""

    head: ResponseHead
    framing: Framing
    pieces: list[bytes] = []
    size: int = 0


class ResponseGate(Struct, eq=False):
    """Implements `ExchangeSink` for a `FastRequest`, which refers to it until it ends."""

    request: "FastRequest"
    recovery: Recovery
    is_open: bool = False
    """The response of the current attempt is passed on."""
    held: HeldResponse | None = None
    period: int = 0
    """The period of the endpoint's availability in which the current attempt began (`Outcomes`)."""
    timer: asyncio.TimerHandle | None = None
    """Runs during the pause before a retry."""

    def stop(self) -> None:
        """The request ends. Nothing is sent any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    # --- called by the upstream's connection ----------------------------------------------------------

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        if status != 100:
            self.recovery.has_begun = True
        self.request.interim_response(status, headers)

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        request = self.request
        request.connection = None
        if request.is_over:
            return
        judged = body if self.recovery.judges_body(head) else None
        if not self._goes_on(head, judged):
            self.is_open = True
            request.response_complete(head, framing, body)

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        if framing != "none" and self.recovery.judges_body(head):
            self.held = HeldResponse(head, framing)
        elif not self._goes_on(head, None):
            self.is_open = True
            self.request.response_started(head, framing, more_follows)

    def response_data(self, data: bytes) -> None:
        held = self.held
        if held is None:
            if self.is_open:
                self.request.response_data(data)
            return
        held.pieces.append(data)
        held.size += len(data)
        if held.size > MAX_JUDGED_BYTES and not self._goes_on(held.head, None):
            self._pass_on(held)

    def response_ended(self, trailers: HeaderPairs) -> None:
        held, request = self.held, self.request
        request.connection = None
        if held is not None and not request.is_over:
            if self._goes_on(held.head, b"".join(held.pieces)):
                return
            self._pass_on(held)
        request.response_ended(trailers)

    def response_failed(self, error: UpstreamError) -> None:
        request = self.request
        request.connection = None
        if self.is_open:
            request.refuse(error)
            return
        if request.is_over or request.repeats_stale(error):
            return
        self.held = None
        step = self.recovery.after_failure(error, request.has_whole_body)
        if step.kind == "pass_on":
            request.refuse(error)
        else:
            self._again(step)

    def backend_half_closed(self) -> None:
        """Only after a 101, and a request with an Upgrade field has no gate."""

    def upload_paused(self) -> None:
        self.request.upload_paused()

    def upload_resumed(self) -> None:
        self.request.upload_resumed()

    def elapsed(self, seconds: float) -> None:
        """The sweep over client connections checks the deadlines."""

    # --- inside -----------------------------------------------------------------------------------------

    def _goes_on(self, head: ResponseHead, body: bytes | None) -> bool:
        """Whether another attempt follows, so that the response is dropped."""
        request, recovery = self.request, self.recovery
        is_ok = recovery.verdict(head, body)
        if request.pool is not None:
            request.pool.outcomes.report(recovery.counted_status(head, is_ok), self.period)
        step = recovery.after_response(head, is_ok, request.has_whole_body)
        if step.kind == "pass_on":
            return False
        self.held = None
        self._again(step)
        return True

    def _pass_on(self, held: HeldResponse) -> None:
        self.held, self.is_open = None, True
        self.request.response_started(held.head, held.framing, bool(held.size))
        if held.size:
            self.request.response_data(b"".join(held.pieces))

    def _again(self, step: Step) -> None:
        request = self.request
        request.rewind()
        if step.kind == "retry":
            loop = asyncio.get_running_loop()
            self.timer = loop.call_later(step.pause_s, self._retry)
            return
        copy, request.copy = request.copy, None
        end_copy(copy)
        try:
            request.send_again(self.recovery.fall_back(step.word))
        except RequestError as error:
            request.refuse(error)

    def _retry(self) -> None:
        self.timer = None
        request = self.request
        try:
            request.send_again(self.recovery.decided)
        except RequestError as error:
            request.refuse(error)
