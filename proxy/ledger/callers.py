"""Classes of callers, by their address."""

from ipaddress import ip_address, ip_network

from msgspec import Struct

from proxy.errors import FacadeError

_MAX_KNOWN = 65_536
_MAX_CLASSES = 20
UNKNOWN = "unknown"


class CallerClass(Struct, frozen=True):
    """A name for the clients of some networks."""

    name: str
    networks: tuple[str, ...]


class Callers:
    """The class of an address: the first of `classes` that has it, else `local`, `private` or `public`."""

    def __init__(self, classes: tuple[CallerClass, ...] = ()) -> None:
        self._classes = [
            (each.name, tuple(ip_network(text, strict=False) for text in each.networks))
            for each in classes
        ]
        self._known: dict[str, str] = {}

    def class_of(self, address: str) -> str:
        """The class of a client."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[address] = self._look_up(address)
        return known

    def _look_up(self, address: str) -> str:
        try:
            parsed = ip_address(address)
        except ValueError:
            return UNKNOWN
        for name, networks in self._classes:
            if any(parsed in network for network in networks):
                return name
        if parsed.is_loopback:
            return "local"
        return "private" if parsed.is_private else "public"


def read_classes(texts: list[str]) -> tuple[CallerClass, ...]:
    """`NAME=NETWORK,NETWORK`. Raises FacadeError."""
    classes = []
    for text in texts:
        name, equals, networks = text.partition("=")
        try:
            parsed = tuple(
                str(ip_network(each.strip(), strict=False)) for each in networks.split(",")
            )
        except ValueError:
            parsed = ()
        if not (equals and name.isprintable() and 0 < len(name) <= 40 and parsed):
            raise FacadeError(
                f"facade: --caller {text!r}: write NAME=NETWORK, like partners=192.0.2.0/24"
            )
        classes.append(CallerClass(name, parsed))
    if len(classes) > _MAX_CLASSES:
        raise FacadeError(f"facade: --caller: at most {_MAX_CLASSES} classes")
    return tuple(classes)
