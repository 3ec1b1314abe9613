"""A listener behind balancers that write PROXY headers. It reads the header before TLS and HTTP begin."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from socket import socket
from typing import Any

from proxy.downstream.interfaces import Addresses
from proxy.downstream.listener import Listener
from proxy.downstream.proxy_protocol import ProxyProtocolError, read_header
from proxy.model import plain_address

log = logging.getLogger(__name__)

_HEADER_S = 10
_MAX_PENDING = 1024
"""Connections whose header has not come yet. A balancer sends it with its first packet."""
_MAX_PER_TICK = 16
_PAUSE_S = 0.1
_LOOPBACK = "127.0.0.1"


class ProxyProtocolListener(Listener):
    """Peers in `balancers` have to begin with a PROXY header. From other peers such a header is refused: it is no HTTP.

    `count_refused` is called with the reason of a connection that is closed for its header.
    """

    def __init__(
        self,
        protocol: Callable[[Listener], Any],
        tls: ssl.SSLContext | None,
        balancers: Addresses,
        count_refused: Callable[[str], None],
    ) -> None:
        super().__init__(protocol, tls)
        self._balancers = balancers
        self._count_refused = count_refused

    def _take(self, loop: asyncio.AbstractEventLoop, accepted: socket) -> None:
        if len(self.pending) >= _MAX_PENDING:
            accepted.close()
            return
        task = loop.create_task(self._begin(accepted))
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)

    async def _begin(self, accepted: socket) -> None:
        with contextlib.ExitStack() as unless_connected:
            unless_connected.callback(accepted.close)
            try:
                async with asyncio.timeout(_HEADER_S):
                    is_balancer = _peer_of(accepted) in self._balancers
                    addresses = await read_header(accepted) if is_balancer else None
            except ProxyProtocolError as error:
                log.info("closed a connection of a balancer: %s", error)
                self._count_refused("proxy_protocol")
                return
            except (OSError, TimeoutError):
                return
            unless_connected.pop_all()

        loop = asyncio.get_running_loop()
        connection = self._connection()
        connection.proxied = addresses
        self._connect(loop, accepted, connection)


def _peer_of(accepted: socket) -> str:
    peer = accepted.getpeername()
    return plain_address(peer[0]) if isinstance(peer, tuple) else _LOOPBACK
