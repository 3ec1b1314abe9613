"""Bytes and states of a connection that the kernel has and the event loop has not read yet."""

import asyncio
import contextlib
import os
import select
import socket
import ssl
from collections.abc import Callable, Sequence

_READ_BYTES = 256 * 1024


def peek(transport: asyncio.Transport) -> bytes:
    """The first bytes that the kernel has, at most 16. They stay unread."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return b""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as duplicate:
        return duplicate.recv(16, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return b""


def is_clean_end(transport: asyncio.Transport) -> bool:
    """Whether the end is authentic. TLS needs a `close_notify`: anyone can end a TCP connection (RFC 9112 9.8)."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLError:
        return False


def unread_bytes(transport: asyncio.Transport) -> bytes:
    """Bytes that the kernel has for a transport that reads no more. For TLS see `tls_connection`."""
    try:
        return os.read(transport.get_extra_info("socket").fileno(), _READ_BYTES)
    except OSError:
        return b""


def unread_poll(transport: asyncio.Transport) -> Callable[[int], Sequence[object]]:
    """A function of milliseconds to wait, whose result is not empty if the kernel has something to read.

    Over TLS always empty: unread bytes may be session tickets, which come without a request (RFC 8446 4.6.1).
    """
    if transport.get_extra_info("ssl_object") is not None:
        return lambda _: ()
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return poll.poll
