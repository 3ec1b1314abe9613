"""Connects to endpoints: host names with several addresses, Unix sockets, TLS.

Connecting to several addresses at the same time (Happy Eyeballs, RFC 8305) is done here, because uvloop does not.
"""

import asyncio
import ipaddress
import itertools
import socket
import ssl
from collections.abc import Callable

from proxy.model import Endpoint
from proxy.upstream.connection import Connection

ATTEMPT_DELAY_S = 0.25
"""How long to wait for one address before the next is tried beside it (RFC 8305 5)."""

_Address = tuple[int, tuple[str | int | bytes, ...]]


async def dial(
    endpoint: Endpoint,
    new_connection: Callable[[], Connection],
    tls: ssl.SSLContext | None,
    server_name: str | None = None,
) -> Connection:
    """Connect, and return the protocol that `new_connection` has made. Raises one of `failures.NOT_CONNECTED`.

    With `tls` the certificate has to be valid for `server_name`, or for the endpoint's host without one.
    """
    loop = asyncio.get_running_loop()
    name = (server_name or endpoint.host) if tls is not None else None
    if endpoint.unix_path is not None:
        _, connection = await loop.create_unix_connection(
            new_connection, endpoint.unix_path, ssl=tls, server_hostname=name
        )
        return connection
    if is_literal(endpoint.host):
        # One address without a resolver: the loop's own method takes a third of the time.
        _, connection = await loop.create_connection(
            new_connection, endpoint.host, endpoint.port, ssl=tls, server_hostname=name
        )
        return connection
    sock = await _first_of(await _addresses(endpoint.host, endpoint.port))
    try:
        _, connection = await loop.create_connection(
            new_connection, sock=sock, ssl=tls, server_hostname=name
        )
    except BaseException:
        sock.close()
        raise
    return connection


async def _addresses(host: str, port: int) -> list[_Address]:
    """All addresses of a host, alternating between the address families (RFC 8305 4)."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[int, list[_Address]] = {}
    for family, _, _, _, address in infos:
        families.setdefault(family, []).append((family, address))
    rounds = itertools.zip_longest(*families.values())
    return [address for each in rounds for address in each if address is not None]


def is_literal(host: str) -> bool:
    """Whether `host` is an address that needs no resolver, and so no thread. A zone (`fe80::1%eth0`) needs one."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


async def _first_of(addresses: list[_Address]) -> socket.socket:
    """The first socket that connects. Raises the first error if none does."""
    if len(addresses) == 1:
        return await _connected(addresses[0])
    remaining = iter(addresses)
    racing: set[asyncio.Task[socket.socket]] = set()
    failures: list[OSError] = []
    winner: socket.socket | None = None
    try:
        while winner is None:
            address = next(remaining, None)
            if address is not None:
                racing.add(asyncio.ensure_future(_connected(address)))
            elif not racing:
                raise failures[0]
            done, racing = await asyncio.wait(
                racing,
                timeout=None if address is None else ATTEMPT_DELAY_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            winner = _winner(done, failures)
    finally:
        await _cancel(racing)
    return winner


def _winner(
    done: set[asyncio.Task[socket.socket]], failures: list[OSError]
) -> socket.socket | None:
    winner: socket.socket | None = None
    for task in done:
        error = task.exception()
        if isinstance(error, OSError):
            failures.append(error)
        elif error is not None:
            raise error
        elif winner is None:
            winner = task.result()
        else:
            task.result().close()
    return winner


async def _cancel(racing: set[asyncio.Task[socket.socket]]) -> None:
    for task in racing:
        task.cancel()
    for result in await asyncio.gather(*racing, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()


async def _connected(address: _Address) -> socket.socket:
    family, target = address
    # With IPPROTO_TCP asyncio sets TCP_NODELAY. Nagle's algorithm would delay a small body by 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock
