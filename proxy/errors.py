"""Everything this package raises on purpose.

FacadeError                         a sentence for a person
+-- TableError                      the table is refused; carries every `Problem`
+-- EditError                       an edit of the table is refused, and nothing was written
+-- RequestError                    carries `status`, the answer the client gets
    +-- BadRequest            400   the client's fault, nothing was sent on
    |   +-- AmbiguousPath     400   readings of the path lead to different routes
    |   +-- UnknownCoding     501   a transfer coding other than `chunked`
    |   +-- UriTooLong        414   beyond `limits.max_uri_bytes`
    |   +-- HeadTooLarge      431   beyond `limits.max_headers` or `limits.max_header_bytes`
    |   +-- ExpectationFailed 417   an `Expect` other than `100-continue`
    |   +-- UnknownVersion    505   neither HTTP/1.1 nor HTTP/1.0
    |   +-- MethodRefused     501   CONNECT and TRACE
    |   +-- TooSlow           408   head or body did not come in time
    +-- Unsupported           501   a kind of request that cannot be carried
    +-- Overloaded            503   more connections than the listener takes
    +-- NoRoute               404
    +-- TooLarge              413   the body is beyond `limits.max_body_bytes`
    +-- ClientGone            499   nobody is left to answer
    +-- UpstreamError         502   carries `backend`
        +-- UpstreamUnreachable   502   never sent: safe to try again
        +-- UpstreamBusy          503   every connection is taken and the queue is full
        +-- UpstreamTimeout       504   may have been acted on: not safe
        |   +-- ConnectTimeout    504   never sent: safe to try again
        +-- UpstreamStale         502   a reused connection closed before its first byte
        +-- UpstreamBroke         502   failed half-way, or answered what is not HTTP
"""

from typing import Any

from msgspec import Struct


class FacadeError(Exception):
    """A fault with a sentence for the person who can mend it."""


class Problem(Struct, frozen=True, order=True):
    """One thing wrong in a table, at its place. Lines and columns count from 1; 0 is "the whole file"."""

    line: int
    column: int
    text: str
    hint: str = ""
    severity: str = "error"
    """`error` or `warning`."""

    def located(self, file: str) -> str:
        """`file:line:column: what is wrong — what to write instead`."""
        what = f"{self.text} — {self.hint}" if self.hint else self.text
        prefix = "warning: " if self.severity == "warning" else ""
        return f"{file}:{self.line}:{self.column}: {prefix}{what}"


class TableError(FacadeError):
    """The table is refused as a whole; `problems` holds every reason, in file order.

    `seams` are its routes as far as what they take is right: some reasons can be told of these alone.
    """

    def __init__(
        self, file: str, problems: tuple[Problem, ...], seams: tuple[Any, ...] = ()
    ) -> None:
        super().__init__("\n".join(problem.located(file) for problem in problems))
        self.file = file
        self.problems = problems
        self.seams = seams


class EditError(FacadeError):
    """An edit of the table is refused, and nothing was written."""


class RequestError(FacadeError):
    """A request that gets an answer of the facade's own: `status`, and the message as the detail."""

    status = 500
    reason = "error"
    """One word for the decision header and the access log."""


def without_trace(error: RequestError) -> RequestError:
    """The same error, to be kept: the frames that it was raised in would keep its keeper, in a circle."""
    error.__context__ = None
    return error.with_traceback(None)


class BadRequest(RequestError):
    """The request is refused before any upstream sees a byte."""

    status = 400
    reason = "bad_request"


class AmbiguousPath(BadRequest):
    """Plausible readings of the path lead to different routes (rule 12)."""

    reason = "ambiguous_path"


class UriTooLong(BadRequest):
    """The target is beyond the limit of its route."""

    status = 414
    reason = "uri_too_long"


class HeadTooLarge(BadRequest):
    """The header fields are beyond a limit of their route."""

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
    """A method that makes a tunnel or an echo of a proxy (RFC 9110 9.3.6, 9.3.8)."""

    status = 501
    reason = "method_refused"


class TooSlow(BadRequest):
    """The client did not send in time. `reason` tells which limit was met."""

    status = 408
    reason = "too_slow"

    def __init__(self, detail: str, reason: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason or self.reason


class Overloaded(RequestError):
    """The listener has as many connections as it takes. `reason` tells which limit was met."""

    status = 503
    reason = "too_many_connections"

    def __init__(self, detail: str, reason: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason or self.reason


class Unsupported(RequestError):
    """A kind of request that the part it came to cannot carry."""

    status = 501
    reason = "unsupported"


class NoRoute(RequestError):
    """No route of the table takes this request."""

    status = 404
    reason = "no_route"


class TooLarge(RequestError):
    """The request's body is beyond the limit of its route."""

    status = 413
    reason = "too_large"


class ClientGone(RequestError):
    """The client left; the status is for the log alone."""

    status = 499
    reason = "client_gone"


class UpstreamError(RequestError):
    """The chosen backend did not give an answer that could be passed on."""

    status = 502
    reason = "upstream"

    def __init__(self, detail: str, backend: str = "") -> None:
        super().__init__(detail)
        self.backend = backend


class UpstreamUnreachable(UpstreamError):
    """No connection could be made, so nothing was sent: safe to try again."""

    reason = "unreachable"


class UpstreamBusy(UpstreamError):
    """Every connection is taken and the queue is full or its wait is over: nothing was sent."""

    status = 503
    reason = "busy"


class UpstreamTimeout(UpstreamError):
    """No answer in time; the request may have been acted on."""

    status = 504
    reason = "timeout"


class ConnectTimeout(UpstreamTimeout):
    """No connection in time, so nothing was sent: safe to try again."""

    reason = "connect_timeout"


class UpstreamStale(UpstreamError):
    """A reused connection closed before the first byte of its answer (findings, 3).

    `sent`: the request may have been received. If not, any request may be sent again.
    """

    reason = "stale"

    def __init__(self, detail: str, backend: str = "", sent: bool = True) -> None:
        super().__init__(detail, backend)
        self.sent = sent


class UpstreamBroke(UpstreamError):
    """The answer broke off, or is not HTTP/1.1 that can be passed on."""

    reason = "broke"
