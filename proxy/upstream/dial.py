"""Makes connections: names with several addresses, Unix sockets, TLS.

Our own race of addresses (RFC 8305) and not the loop's, because uvloop has none.
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
"""How long one address is tried alone before the next joins in (RFC 8305 5)."""

_Address = tuple[int, tuple[str | int | bytes, ...]]


async def dial(
    endpoint: Endpoint,
    make: Callable[[], Connection],
    tls: ssl.SSLContext | None,
    server_name: str | None = None,
) -> Connection:
    """A new connection, `make` being called for it. Raises one of `failures.NOT_CONNECTED`.

    With `tls` the certificate has to be for `server_name`; None is the endpoint's host.
    """
    loop = asyncio.get_running_loop()
    name = (server_name or endpoint.host) if tls is not None else None
    if endpoint.unix_path is not None:
        _, made = await loop.create_unix_connection(
            make, endpoint.unix_path, ssl=tls, server_hostname=name
        )
        return made
    if _is_literal(endpoint.host):
        # Nothing to resolve and nothing to race: the loop's own way costs a third.
        _, made = await loop.create_connection(
            make, endpoint.host, endpoint.port, ssl=tls, server_hostname=name
        )
        return made
    connected = await _first_of(await _addresses(endpoint.host, endpoint.port))
    try:
        _, made = await loop.create_connection(make, sock=connected, ssl=tls, server_hostname=name)
    except BaseException:
        connected.close()
        raise
    return made


async def _addresses(host: str, port: int) -> list[_Address]:
    """Every address of a host, families taking turns (RFC 8305 4)."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[int, list[_Address]] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, []).append((family, address))
    turns = itertools.zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


def _is_literal(host: str) -> bool:
    """An address that needs no resolver, and so no thread. With a zone (`fe80::1%eth0`) it does."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


async def _first_of(addresses: list[_Address]) -> socket.socket:
    """The first socket to connect. Raises the first failure where none does."""
    if len(addresses) == 1:
        return await _connected(addresses[0])
    waiting = iter(addresses)
    racing: set[asyncio.Task[socket.socket]] = set()
    failures: list[OSError] = []
    won: socket.socket | None = None
    try:
        while won is None:
            following = next(waiting, None)
            if following is not None:
                racing.add(asyncio.ensure_future(_connected(following)))
            elif not racing:
                raise failures[0]
            done, racing = await asyncio.wait(
                racing,
                timeout=None if following is None else ATTEMPT_DELAY_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            won = _winner(done, failures)
    finally:
        await _call_off(racing)
    return won


def _winner(
    done: set[asyncio.Task[socket.socket]], failures: list[OSError]
) -> socket.socket | None:
    won: socket.socket | None = None
    for task in done:
        error = task.exception()
        if isinstance(error, OSError):
            failures.append(error)
        elif error is not None:
            raise error
        elif won is None:
            won = task.result()
        else:
            task.result().close()
    return won


async def _call_off(racing: set[asyncio.Task[socket.socket]]) -> None:
    for task in racing:
        task.cancel()
    for result in await asyncio.gather(*racing, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()


async def _connected(address: _Address) -> socket.socket:
    family, target = address
    # With the protocol told: only then does asyncio switch Nagle off, who holds a small body back for 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, target)
    except BaseException:
        made.close()
        raise
    return made
