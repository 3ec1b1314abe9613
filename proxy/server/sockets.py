"""Listening sockets: binding, and the limit of file descriptors."""

import contextlib
import os
import socket
import stat
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
        bound = _bind_unix(address.path) if address.path else _bind_tcp(address, shared)
        bound.setblocking(False)
    except OSError as error:
        why = error.strerror or error
        raise SettingsError(
            f"cannot listen on {address}: {why}; choose another with {option}"
        ) from None
    return bound


def _bind_tcp(address: Address, shared: bool) -> socket.socket:
    everywhere = address.host == "*"
    if everywhere and not socket.has_dualstack_ipv6():
        address, everywhere = Address("0.0.0.0", address.port), False
    host = "::" if everywhere else address.host
    family, kind, proto, _, target = socket.getaddrinfo(
        host, address.port, type=socket.SOCK_STREAM
    )[0]
    bound = socket.socket(family, kind, proto)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if everywhere:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(target)
    except OSError:
        bound.close()
        raise
    return bound


def _bind_unix(path: str) -> socket.socket:
    """A Unix socket. The file of one that no process listens on any more is replaced."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("this system has no Unix sockets")
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode) and not _is_listening(path):
            os.unlink(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
    except OSError:
        bound.close()
        raise
    return bound


def _is_listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # Its backlog is full.
            return True
    return True


def bind_shared(address: Address, count: int) -> list[socket.socket]:
    """One socket for each worker, all with one address. Raises SettingsError if the address is in use."""
    if address.path:  # Workers accept from one queue.
        only = bind(address, "--listen")
        return [only, *(only.dup() for _ in range(count - 1))]
    # SO_REUSEPORT would also share the address with another facade, without an error.
    bind(address, "--listen").close()
    first = bind(address, "--listen", shared=True)
    address = address_of(first)
    return [first, *(bind(address, "--listen", shared=True) for _ in range(count - 1))]


def address_of(listening: socket.socket) -> Address:
    """The address of a bound socket."""
    name = listening.getsockname()
    return Address("", 0, name) if isinstance(name, str) else Address(name[0], name[1])


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
