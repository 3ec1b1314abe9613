"""TCP keep-alive: detects peers that vanished without closing, on connections that may be silent for long."""

import contextlib
import socket

IDLE_S = 60
_INTERVAL_S = 15
_PROBES = 4
"""A peer that does not respond is gone after `IDLE_S` and four intervals: two minutes."""


def keep_alive(sock: socket.socket) -> None:
    """Enable keep-alive. Accepted sockets inherit it from a listening one. Does nothing for Unix sockets."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", IDLE_S),
            ("TCP_KEEPINTVL", _INTERVAL_S),
            ("TCP_KEEPCNT", _PROBES),
        ):
            option = getattr(socket, name, None)  # Not on all systems.
            if option is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
