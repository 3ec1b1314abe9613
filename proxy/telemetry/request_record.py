"""The record of one request, for the access log and the counters."""

from msgspec import Struct

from proxy.errors import RequestError, UpstreamError
from proxy.model import Decision, Facts, Route
from proxy.routing.transforms.sent_head import SentHead
from proxy.routing.transforms.trace_context import ClaimedIds, Identity, identify


class Record(Struct):
    """One request. Mutable: its fields are set while the request is forwarded."""

    table_version: str
    draw_bp: int = 0
    facts: Facts | None = None
    decision: Decision | None = None
    route: Route | None = None
    identity: Identity | None = None
    error: RequestError | None = None
    status: int = 0
    complete: bool = False
    """Whether the whole response was sent to the client."""
    received_bytes: int = 0
    """Bytes of the request's body."""
    sent_bytes: int = 0
    """Bytes of the response's body."""
    first_byte_s: float | None = None
    total_s: float = 0.0
    attempts: int = 0
    """How often the request was sent, or a connection for it was tried."""
    verdict: bool | None = None
    """The verdict of the route's `response_ok` on the response that the client gets; None if it was not asked."""
    path_policy: tuple[str, ...] = ()
    """The fields of the route's path policy that let the path pass, as `field: value`."""
    dropped_cookies: tuple[str, ...] = ()
    """Names of the cookies that the backend set although it may not see them."""
    mirrored_to: str = ""
    """The backend that a copy of the request is sent to."""
    refused_head: SentHead | None = None
    """The head that the backend got, if it responded with a status for a head that is too large, or malformed."""

    @property
    def response_ok(self) -> bool:
        """Whether the request got a good response: by its route's `response_ok`, else with a status below 500.

        The outcome of the backend that was chosen first is another one after a fallback (`decision.first_backend`).
        """
        if isinstance(self.error, UpstreamError) or not self.status:
            return False
        return self.status < 500 if self.verdict is None else self.verdict

    def identify(self, claimed: ClaimedIds, bits: int) -> Identity:
        """The ids of the request. A request with a span has another record (`proxy.tracing`)."""
        return identify(claimed, bits)


def reason_of(record: Record) -> str:
    """The reason of the error, else that of the decision, else a dash."""
    if record.error is not None:
        return record.error.reason
    return record.decision.reason if record.decision is not None else "-"
