"""Turns errors of the operating system, of TLS and of the parser into those of `proxy.errors`.

The messages name the backend and never its address, because clients see them.
"""

import errno
import socket
import ssl

from proxy.errors import (
    BadRequest,
    ConnectTimeout,
    UpstreamBroke,
    UpstreamBusy,
    UpstreamError,
    UpstreamStale,
    UpstreamUnreachable,
)
from proxy.http1.response_head import MalformedResponse

# A resource of this machine is exhausted. The backend is not at fault, and a retry may succeed soon.
_EXHAUSTED = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
)

_HTTP2_ONLY = "speaks HTTP/2 where HTTP/1.1 is needed"

NOT_CONNECTED = (OSError, UnicodeError)
"""The errors that connecting may raise. UnicodeError: a host name that IDNA cannot encode."""
NOT_HTTP = (MalformedResponse, BadRequest)
"""The errors that parsing a response may raise."""


def not_connected(error: Exception, backend: str) -> UpstreamError:
    """The error for a connection that was not made. Nothing was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"has a certificate that is not valid: {_reason(error)}"
    elif _refuses_http1(error):
        text = "refuses HTTP/1.1 (ALPN): it speaks HTTP/2 only"
    elif isinstance(error, ssl.SSLError):
        text = f"does not speak TLS as we do: {_reason(error)}"
    elif isinstance(error, TimeoutError):
        return ConnectTimeout(f"backend {backend} did not accept a connection in time", backend)
    elif isinstance(error, ConnectionRefusedError):
        text = "refused the connection"
    elif isinstance(error, (socket.gaierror, UnicodeError)):
        text = "has a host name without an address"
    elif isinstance(error, OSError) and error.errno in _EXHAUSTED:
        return UpstreamBusy("no more connections can be made from here just now", backend)
    else:
        text = f"cannot be reached: {_reason(error)}"
    return UpstreamUnreachable(f"backend {backend} {text}", backend)


def speaks_http2(data: bytes) -> bool:
    """Whether the first bytes of a backend are a SETTINGS or GOAWAY frame of HTTP/2 (RFC 9113 4.1)."""
    return len(data) >= 9 and data[0] == 0 and data[3] in (4, 7) and data[5:9] == bytes(4)


def early_end(first_bytes: bytes, backend: str) -> UpstreamError:
    """The error for a new connection that cannot be used. Nothing was sent."""
    text = f"backend {backend} closed a connection, or spoke, before it was asked anything"
    if speaks_http2(first_bytes):
        text = f"backend {backend} {_HTTP2_ONLY}"
    return UpstreamUnreachable(text, backend)


def not_http(error: Exception, backend: str, data: bytes = b"") -> UpstreamError:
    """The error for a response that cannot be passed on. `data` are its last bytes."""
    if speaks_http2(data):
        return UpstreamBroke(f"backend {backend} {_HTTP2_ONLY}", backend)
    return UpstreamBroke(f"backend {backend} sent what is not HTTP/1.1: {error}", backend)


def broken_off(error: Exception | None, where: str, backend: str) -> UpstreamError:
    """The error for a connection that ended too early. `where` completes its message; without `error` it was closed."""
    how = "closed the connection" if error is None else f"lost the connection ({_reason(error)})"
    broke = UpstreamBroke(f"backend {backend} {how} {where}", backend)
    broke.__cause__ = error
    return broke


def _refuses_http1(error: Exception) -> bool:
    """Whether TLS failed with the alert no_application_protocol (RFC 7301 3.2). Python has no name for its reason."""
    return isinstance(error, ssl.SSLError) and "no application protocol" in str(error)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        # SSLErrors that Python raises itself lack the attributes of those from OpenSSL.
        text = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        return str(text or "TLS failed")
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or errno.errorcode.get(error.errno, "unknown error")
    return type(error).__name__


def ended_unsent(backend: str) -> UpstreamStale:
    """The backend closed the connection before the request was written to it."""
    text = f"backend {backend} ended a connection before the request was sent"
    return UpstreamStale(text, backend, sent=False)
