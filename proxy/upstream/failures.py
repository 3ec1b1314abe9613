"""Foreign errors stop here: whatever the operating system, TLS or the parser raise becomes one of ours.

The details name the backend, never its address: they are shown to clients.
"""

import errno
import socket
import ssl

import httptools

from proxy.errors import (
    BadRequest,
    ConnectTimeout,
    UpstreamBroke,
    UpstreamBusy,
    UpstreamError,
    UpstreamUnreachable,
)
from proxy.http1.response_head import Malformed

# What runs out on our side. The upstream is well, and a moment later this may pass.
_EXHAUSTED = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
)

NOT_CONNECTED = (OSError, UnicodeError)
"""What making a connection may raise. UnicodeError: a name that IDNA cannot carry."""
NOT_HTTP = (httptools.HttpParserError, httptools.HttpParserUpgrade, Malformed, BadRequest)
"""What reading an answer may raise."""


def not_connected(error: Exception, backend: str) -> UpstreamError:
    """Why no connection was made; nothing was sent."""
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
    """Why an answer cannot be passed on."""
    return UpstreamBroke(f"backend {backend} sent what is not HTTP/1.1: {error}", backend)


def broken_off(error: Exception | None, where: str, backend: str) -> UpstreamError:
    """A connection that ended at the wrong place. `where` completes the sentence; no error is a plain close."""
    how = "closed the connection" if error is None else f"lost the connection ({_reason(error)})"
    broken = UpstreamBroke(f"backend {backend} {how} {where}", backend)
    broken.__cause__ = error
    return broken


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        # Those that Python raises by itself lack the attributes of those that OpenSSL gives.
        said = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        return str(said or "TLS failed")
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or errno.errorcode.get(error.errno, "unknown error")
    return type(error).__name__
