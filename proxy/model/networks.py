"""Sets of networks that a table names."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

_MAX_CACHED = 4096


class Networks:
    """A set of networks, for `address in networks`. Caches results: parsing an address costs 2 µs."""

    __slots__ = ("_cache", "_networks")

    def __init__(self, cidrs: Iterable[str] = ()) -> None:
        self._networks = tuple(ip_network(cidr, strict=False) for cidr in cidrs)
        self._cache: dict[str, bool] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and self._networks == other._networks

    def __hash__(self) -> int:
        return hash(self._networks)

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        cached = self._cache.get(address)
        if cached is None:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            cached = self._cache[address] = self._look_up(address)
        return cached

    def _look_up(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)
