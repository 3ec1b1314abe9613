"""Ways to end a client connection, so that the client can tell a complete response from a truncated one."""

import asyncio
import contextlib
import select
import socket
import struct

LINGER_S = 2.0
"""How long a lingering connection is still read after our last byte."""


def begin_lingering(transport: asyncio.Transport) -> bool:
    """Half-close after what is written. A close with unread bytes sends a reset, and the client may lose our response.

    Returns False if the transport cannot half-close, as over TLS. The connection is then closed.
    """
    if transport.is_closing():
        return False
    if not transport.can_write_eof():
        transport.close()
        return False
    with contextlib.suppress(OSError):
        transport.write_eof()
    return True


def reset(transport: asyncio.Transport) -> None:
    """Close with a TCP reset: for a truncated response of which only the end of the connection marks the end."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def has_unread(transport: asyncio.Transport) -> bool:
    """Whether the kernel has bytes, or the client's close, that the event loop has not read yet."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.is_closing():
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
