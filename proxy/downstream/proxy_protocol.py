"""The PROXY protocol, versions 1 and 2: a balancer that forwards TCP writes the client's address before its bytes.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

import asyncio
import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_PREFIX = b"PROXY "
_MAX_V1_BYTES = 107
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class ProxyProtocolError(Exception):
    """The header is malformed, or there is none."""


class ProxiedAddresses(Struct, frozen=True):
    """The client's address, and the address that it connected to."""

    client: tuple[str, int]
    server: tuple[str, int]


async def read_header(connection: socket.socket) -> ProxiedAddresses | None:
    """Read the header and not a byte more. None for a connection of the balancer itself, such as a health check.

    Raises ProxyProtocolError, or OSError.
    """
    loop = asyncio.get_running_loop()
    begin = await _exactly(loop, connection, len(_SIGNATURE))
    if begin == _SIGNATURE:
        command, family, length = struct.unpack("!BBH", await _exactly(loop, connection, 4))
        return parse_v2(command, family, await _exactly(loop, connection, length))
    if not begin.startswith(_PREFIX):
        raise ProxyProtocolError("the connection does not begin with a PROXY header")
    line = begin
    while not line.endswith(b"\r\n"):
        if len(line) >= _MAX_V1_BYTES:
            raise ProxyProtocolError("the PROXY line is longer than 107 bytes")
        line += await _exactly(loop, connection, 1)
    return parse_v1(line)


async def _exactly(loop: asyncio.AbstractEventLoop, connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = await loop.sock_recv(connection, size - len(data))
        if not part:
            raise ProxyProtocolError("the connection ended in its PROXY header")
        data += part
    return data


def parse_v1(line: bytes) -> ProxiedAddresses | None:
    """The addresses in a line of version 1, None for UNKNOWN. Raises ProxyProtocolError."""
    words = line.removesuffix(b"\r\n").decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return None
    kinds: dict[str, type[IPv4Address | IPv6Address]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}
    if len(words) != 6 or words[1] not in kinds:
        raise ProxyProtocolError("the PROXY line is malformed")
    kind = kinds[words[1]]
    try:
        client, server = _text(kind(words[2])), _text(kind(words[3]))
    except ValueError:
        raise ProxyProtocolError("the PROXY line has an address that is none") from None
    return ProxiedAddresses((client, _port(words[4])), (server, _port(words[5])))


def _text(address: IPv4Address | IPv6Address) -> str:
    """IPv4 that is written as IPv6 is plain IPv4, as that of other clients."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ProxyProtocolError("the PROXY line has a port that is none")
    return int(text)


def parse_v2(command: int, family: int, data: bytes) -> ProxiedAddresses | None:
    """The addresses in a header of version 2, None for LOCAL and other families. Raises ProxyProtocolError."""
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise ProxyProtocolError("the PROXY header has an unknown version or command")
    size = {_TCP4: 4, _TCP6: 16}.get(family)
    if size is None:
        return None
    if len(data) < 2 * size + 4:
        raise ProxyProtocolError("the PROXY header is too short for its addresses")
    client, server = (_text(ip_address(data[at : at + size])) for at in (0, size))
    client_port, server_port = struct.unpack("!HH", data[2 * size : 2 * size + 4])
    return ProxiedAddresses((client, client_port), (server, server_port))
