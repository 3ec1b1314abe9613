"""Headers of the PROXY protocol: what they say, and which are refused."""

import ipaddress
import struct

import pytest

from proxy.downstream.proxy_protocol import (
    ProxiedAddresses,
    ProxyProtocolError,
    parse_v1,
    parse_v2,
)

FOUR = ProxiedAddresses(("203.0.113.7", 56324), ("192.0.2.1", 443))
SIX = ProxiedAddresses(("2001:db8::7", 56324), ("2001:db8::1", 443))


def packed(addresses: ProxiedAddresses) -> bytes:
    hosts = (ipaddress.ip_address(host).packed for host, _ in (addresses.client, addresses.server))
    return b"".join(hosts) + struct.pack("!HH", addresses.client[1], addresses.server[1])


@pytest.mark.parametrize(
    ("line", "addresses"),
    [
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n", FOUR),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", SIX),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 56324 443\r\n", FOUR),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    ],
)
def test_a_line_of_version_1_has(line: bytes, addresses: ProxiedAddresses | None) -> None:
    assert parse_v1(line) == addresses


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP5 203.0.113.7 192.0.2.1 56324 443\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 56324\r\n",
        b"PROXY TCP4  203.0.113.7 192.0.2.1 56324 443\r\n",
        b"PROXY TCP4 2001:db8::7 192.0.2.1 56324 443\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 -1 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 ٣ 443\r\n".encode(),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 56324 443 \r\n",
    ],
)
def test_a_line_of_version_1_is_refused(line: bytes) -> None:
    with pytest.raises(ProxyProtocolError):
        parse_v1(line)


@pytest.mark.parametrize(
    ("command", "family", "data", "addresses"),
    [
        (0x21, 0x11, packed(FOUR), FOUR),
        (0x21, 0x21, packed(SIX), SIX),
        (0x21, 0x11, packed(FOUR) + b"\x03\x00\x04\x01\x02\x03\x04", FOUR),
        (0x20, 0x00, b"", None),
        (0x20, 0x11, packed(FOUR), None),
        (0x21, 0x00, b"", None),
        (0x21, 0x31, b"\x00" * 216, None),
    ],
    ids=["IPv4", "IPv6", "more fields", "local", "local with addresses", "unspecified", "Unix"],
)
def test_a_header_of_version_2_has(
    command: int, family: int, data: bytes, addresses: ProxiedAddresses | None
) -> None:
    assert parse_v2(command, family, data) == addresses


@pytest.mark.parametrize(
    ("command", "family", "data"),
    [(0x22, 0x11, packed(FOUR)), (0x11, 0x11, packed(FOUR)), (0x21, 0x11, packed(FOUR)[:-1])],
    ids=["unknown command", "version 1", "too short"],
)
def test_a_header_of_version_2_is_refused(command: int, family: int, data: bytes) -> None:
    with pytest.raises(ProxyProtocolError):
        parse_v2(command, family, data)
