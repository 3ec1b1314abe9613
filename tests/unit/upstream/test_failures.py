"""Errors of the operating system, of TLS, of the parser and of httpx become those of `proxy.errors`."""

import errno
import socket
import ssl
from collections.abc import Iterator

import httpx
import pytest

from proxy.errors import (
    BadRequest,
    ConnectTimeout,
    HeadTooLarge,
    RequestError,
    UpstreamBroke,
    UpstreamBusy,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.http1.response_head import MalformedResponse
from proxy.upstream.failures import NOT_CONNECTED, NOT_HTTP, broken_off, not_connected, not_http
from proxy.upstream.httpx_upstream import translated


def _all_below(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all_below(below)


@pytest.mark.parametrize(
    "raised", [MalformedResponse, BadRequest, HeadTooLarge], ids=lambda kind: kind.__name__
)
def test_every_error_of_the_parser_is_translated(raised: type[Exception]) -> None:
    assert issubclass(raised, NOT_HTTP)
    error = not_http(raised("boom"), "old")
    assert isinstance(error, UpstreamBroke)
    assert error.backend == "old"


@pytest.mark.parametrize(
    "raised",
    [kind for kind in _all_below(OSError) if kind.__module__ in ("builtins", "socket", "ssl")],
    ids=lambda kind: kind.__name__,
)
def test_every_system_error_is_translated(raised: type[OSError]) -> None:
    assert issubclass(raised, NOT_CONNECTED)
    for error in (not_connected(raised(), "old"), broken_off(raised(), "there", "old")):
        assert isinstance(error, UpstreamError)
        assert error.backend == "old"
        assert "old" in str(error)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), UpstreamUnreachable),
        (OSError(errno.ENETUNREACH, "no way"), UpstreamUnreachable),
        (socket.gaierror(-2, "unknown"), UpstreamUnreachable),
        (UnicodeError("label too long"), UpstreamUnreachable),
        (ssl.SSLError(1, "wrong version"), UpstreamUnreachable),
        (TimeoutError(), ConnectTimeout),
        (OSError(errno.EMFILE, "too many open files"), UpstreamBusy),
        (OSError(errno.EADDRNOTAVAIL, "no ports left"), UpstreamBusy),
    ],
    ids=repr,
)
def test_the_error_for_a_connection_that_was_not_made(
    raised: Exception, kind: type[UpstreamError]
) -> None:
    error = not_connected(raised, "old")
    assert type(error) is kind


def test_a_message_names_the_backend_and_no_address() -> None:
    error = not_connected(
        ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 80)"), "old"
    )
    assert str(error) == "backend old refused the connection"


@pytest.mark.parametrize(
    "raised",
    sorted({*_all_below(httpx.TransportError), httpx.DecodingError, httpx.StreamClosed}, key=repr),
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_a_transport_is_translated(raised: type[Exception]) -> None:
    error = raised() if raised is httpx.StreamClosed else raised("boom")
    with pytest.raises(UpstreamError) as caught, translated("old"):
        raise error
    assert caught.value.backend == "old"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.ConnectError("x"), UpstreamUnreachable),
        (httpx.ProxyError("x"), UpstreamUnreachable),
        (httpx.UnsupportedProtocol("x"), UpstreamUnreachable),
        (httpx.ConnectTimeout("x"), ConnectTimeout),
        (httpx.PoolTimeout("x"), UpstreamBusy),
        (httpx.ReadTimeout("x"), UpstreamTimeout),
        (httpx.WriteTimeout("x"), UpstreamTimeout),
        (httpx.ReadError("x"), UpstreamBroke),
        (httpx.RemoteProtocolError("x"), UpstreamBroke),
        (httpx.InvalidURL("x"), BadRequest),
        (OSError("x"), UpstreamBroke),
    ],
    ids=repr,
)
def test_the_error_for_an_error_of_a_transport(raised: Exception, kind: type[RequestError]) -> None:
    with pytest.raises(RequestError) as caught, translated("old"):
        raise raised
    assert type(caught.value) is kind
