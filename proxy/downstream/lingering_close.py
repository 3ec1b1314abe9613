"""How a client's connection ends, so that the client can tell what happened."""

import asyncio
import contextlib
import select
import socket
import struct

LINGER_S = 2.0
"""How long we still read after our last byte."""


def begin_lingering(transport: asyncio.Transport) -> bool:
    """End our side only, after what is written: closing with unread bytes would reset the answer away.

    False where that cannot be, as over TLS: the connection is then closed.
    """
    if transport.is_closing():
        return False
    if not transport.can_write_eof():
        transport.close()
        return False
    with contextlib.suppress(OSError):
        transport.write_eof()
    return True


def cut(transport: asyncio.Transport) -> None:
    """The answer is not complete, and must not look so: a reset, which no client takes for an end."""
    own = transport.get_extra_info("socket")
    if own is not None:
        with contextlib.suppress(OSError):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def has_unread(transport: asyncio.Transport) -> bool:
    """The kernel holds bytes that the loop has not seen yet: a request that has just arrived, or a farewell."""
    own = transport.get_extra_info("socket")
    if own is None or transport.is_closing():
        return False
    poll = select.poll()
    poll.register(own.fileno(), select.POLLIN)
    return bool(poll.poll(0))
