"""Listening sockets: binding, and the limit of file descriptors."""

import contextlib
import socket
import sys

from proxy.server.settings import Address, SettingsError

# Files, the table watcher, the admin listener, and a few to spare.
_OTHER_DESCRIPTORS = 64
_WITHOUT_LIMIT = 8192


def bind(address: Address, option: str, *, shared: bool = False) -> socket.socket:
    """A bound socket. Raises SettingsError, which names `option` as the one to change.

    With `shared`, other sockets of this facade may have the same address: the kernel distributes the
    connections among them (SO_REUSEPORT).
    """
    try:
        family, kind, proto, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, kind, proto)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(target)
        except OSError:
            bound.close()
            raise
        bound.setblocking(False)
    except OSError as error:
        why = error.strerror or error
        raise SettingsError(
            f"cannot listen on {address}: {why}; choose another with {option}"
        ) from None
    return bound


def bind_shared(address: Address, count: int) -> list[socket.socket]:
    """One socket for each worker, all with one address. Raises SettingsError if the address is in use."""
    # SO_REUSEPORT would also share the address with another facade, without an error.
    bind(address, "--listen").close()
    first = bind(address, "--listen", shared=True)
    address = address_of(first)
    return [first, *(bind(address, "--listen", shared=True) for _ in range(count - 1))]


def address_of(listening: socket.socket) -> Address:
    """The address of a bound socket."""
    host, port = listening.getsockname()[:2]
    return Address(host, port)


def raise_descriptor_limit() -> None:
    """Raise the soft limit of file descriptors to the hard limit: shells set a low soft limit."""
    if sys.platform == "win32":
        return
    import resource  # Not on Windows.

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports no hard limit, but does not accept that as the soft one.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def max_client_connections() -> int:
    """How many client connections the descriptors suffice for: each may need a second one, for a backend."""
    if sys.platform == "win32":
        return _WITHOUT_LIMIT
    import resource  # Not on Windows.

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, (soft - _OTHER_DESCRIPTORS) // 2)
