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
    UpstreamUnreachable,
)
from proxy.http1.response_head import MalformedResponse

# A resource of this machine is exhausted. The backend is not at fault, and a retry may succeed soon.
_EXHAUSTED = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
)

NOT_CONNECTED = (OSError, UnicodeError)
"""What connecting may raise. UnicodeError: a host name that IDNA cannot encode."""
NOT_HTTP = (MalformedResponse, BadRequest)
"""What parsing a response may raise."""


def not_connected(error: Exception, backend: str) -> UpstreamError:
    """The error for a connection that was not made. Nothing was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"has a certificate that is not valid: {_reason(error)}"
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


def not_http(error: Exception, backend: str) -> UpstreamError:
    """The error for a response that cannot be passed on."""
    return UpstreamBroke(f"backend {backend} sent what is not HTTP/1.1: {error}", backend)


def broken_off(error: Exception | None, where: str, backend: str) -> UpstreamError:
    """The error for a connection that ended too early. `where` completes its message; without `error` it was closed."""
    how = "closed the connection" if error is None else f"lost the connection ({_reason(error)})"
    broke = UpstreamBroke(f"backend {backend} {how} {where}", backend)
    broke.__cause__ = error
    return broke


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        # SSLErrors that Python raises itself lack the attributes of those from OpenSSL.
        text = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        return str(text or "TLS failed")
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or errno.errorcode.get(error.errno, "unknown error")
    return type(error).__name__
