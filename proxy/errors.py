"""The errors that the facade raises on purpose.

FacadeError                         with a message for a person
+-- TableError                      the table is refused; has every `Problem`
+-- EditError                       an edit of the table is refused; nothing was written
+-- RequestError                    has `status` and `reason` of the response to the client
    +-- BadRequest            400   the client's fault; nothing was sent to a backend
    |   +-- AmbiguousPath     400   path variants match different routes
    |   +-- UnknownCoding     501   a transfer coding other than `chunked`
    |   +-- UriTooLong        414   exceeds `limits.max_uri_bytes`
    |   +-- HeadTooLarge      431   exceeds `limits.max_headers` or `limits.max_header_bytes`
    |   +-- ExpectationFailed 417   an `Expect` other than `100-continue`
    |   +-- UnknownVersion    505   neither HTTP/1.1 nor HTTP/1.0
    |   +-- MethodRefused     501   CONNECT and TRACE
    |   +-- TooSlow           408   the head or body did not come in time
    +-- Unsupported           501   a kind of request that this tier cannot forward
    +-- Overloaded            503   the listener has too many connections
    +-- NoRoute               404
    +-- TooLarge              413   the body exceeds `limits.max_body_bytes`
    +-- ClientGone            499   the client has disconnected
    +-- UpstreamError         502   has `backend`
        +-- UpstreamUnreachable   502   never sent: safe to try again
        +-- UpstreamBusy          503   all connections are in use and the queue is full
        +-- CircuitOpen           503   no endpoint is available, and the budget of the fallback is used up
        +-- UpstreamTimeout       504   the backend may have acted on it: not safe
        |   +-- ConnectTimeout    504   never sent: safe to try again
        +-- UpstreamStale         502   a reused connection closed before a response began
        +-- UpstreamBroke         502   the response was truncated or is not HTTP
"""

from typing import Any

from msgspec import Struct


class FacadeError(Exception):
    """An error with a message for the person who can fix its cause."""


class Problem(Struct, frozen=True, order=True):
    """One mistake in a table, with its place. Lines and columns count from 1; 0 is "the whole file"."""

    line: int
    column: int
    text: str
    hint: str = ""
    severity: str = "error"
    """`error` or `warning`."""

    def located(self, file: str) -> str:
        """`file:line:column: what is wrong — what to write instead`."""
        message = f"{self.text} — {self.hint}" if self.hint else self.text
        prefix = "warning: " if self.severity == "warning" else ""
        return f"{file}:{self.line}:{self.column}: {prefix}{message}"


class TableError(FacadeError):
    """The whole table is refused. `problems` has every reason, in file order.

    `seams` are those of its routes whose `match` is valid: unreachable routes can be found among these already. Who
    reads them frees them in parts.
    """

    def __init__(
        self, file: str, problems: tuple[Problem, ...], seams: list[Any] | None = None
    ) -> None:
        super().__init__("\n".join(problem.located(file) for problem in problems))
        self.file = file
        self.problems = problems
        self.seams = seams or []


class EditError(FacadeError):
    """An edit of the table is refused. Nothing was written."""


class RequestError(FacadeError):
    """A request that gets a local reply: a problem document with `status`, and the message as its detail."""

    status = 500
    reason = "error"
    """One word for the decision header and the access log."""


def without_trace(error: RequestError) -> RequestError:
    """The same error without frames, for an object that keeps it: the frames would refer to that object, in a cycle."""
    error.__context__ = None
    return error.with_traceback(None)


class BadRequest(RequestError):
    """The request is refused before any byte is sent to a backend."""

    status = 400
    reason = "bad_request"


class AmbiguousPath(BadRequest):
    """Variants of the path, as other servers may decode it, match different routes (rule 12)."""

    reason = "ambiguous_path"


class UriTooLong(BadRequest):
    """The target exceeds the limit of its route."""

    status = 414
    reason = "uri_too_long"


class HeadTooLarge(BadRequest):
    """The header fields exceed a limit of their route."""

    status = 431
    reason = "head_too_large"


class UnknownCoding(BadRequest):
    """A transfer coding other than `chunked` (RFC 9112 6.1)."""

    status = 501
    reason = "unknown_coding"


class ExpectationFailed(BadRequest):
    """An `Expect` other than `100-continue` (RFC 9110 10.1.1)."""

    status = 417
    reason = "expectation_failed"


class UnknownVersion(BadRequest):
    """Neither HTTP/1.1 nor HTTP/1.0 (RFC 9110 15.6.6)."""

    status = 505
    reason = "unknown_version"


class MethodRefused(BadRequest):
    """CONNECT makes a proxy a tunnel, TRACE shows the fields that it adds (RFC 9110 9.3.6, 9.3.8)."""

    status = 501
    reason = "method_refused"


class TooSlow(BadRequest):
    """The client did not send in time. `reason` names the limit."""

    status = 408
    reason = "too_slow"

    def __init__(self, detail: str, reason: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason or self.reason


class Overloaded(RequestError):
    """The listener, or one client, has too many connections. `reason` names the limit."""

    status = 503
    reason = "too_many_connections"

    def __init__(self, detail: str, reason: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason or self.reason


class Unsupported(RequestError):
    """A kind of request that this tier cannot forward."""

    status = 501
    reason = "unsupported"


class NoRoute(RequestError):
    """No route of the table matches the request."""

    status = 404
    reason = "no_route"


class TooLarge(RequestError):
    """The request's body exceeds the limit of its route."""

    status = 413
    reason = "too_large"


class ClientGone(RequestError):
    """The client has disconnected. The status appears in the log only."""

    status = 499
    reason = "client_gone"


class UpstreamError(RequestError):
    """The chosen backend gave no response that can be passed on."""

    status = 502
    reason = "upstream"

    def __init__(self, detail: str, backend: str = "") -> None:
        super().__init__(detail)
        self.backend = backend


class UpstreamUnreachable(UpstreamError):
    """No connection could be made. Nothing was sent: safe to try again."""

    reason = "unreachable"


class UpstreamBusy(UpstreamError):
    """All connections are in use, and the queue is full or the wait was too long. Nothing was sent."""

    status = 503
    reason = "busy"


class CircuitOpen(UpstreamError):
    """No endpoint of the backend is available, and too many requests fall back already. Nothing was sent."""

    status = 503
    reason = "circuit_open"


class UpstreamTimeout(UpstreamError):
    """No response in time. The backend may have acted on the request."""

    status = 504
    reason = "timeout"


class ConnectTimeout(UpstreamTimeout):
    """No connection in time. Nothing was sent: safe to try again."""

    reason = "connect_timeout"


class UpstreamStale(UpstreamError):
    """A reused connection closed before the first byte of a response (finding 3).

    `sent`: the backend may have received the request. If False, any request may be sent again.
    """

    reason = "stale"

    def __init__(self, detail: str, backend: str = "", sent: bool = True) -> None:
        super().__init__(detail, backend)
        self.sent = sent


class UpstreamBroke(UpstreamError):
    """The response was truncated, or is not valid HTTP/1.1."""

    reason = "broke"
