"""Listening sockets: binding, TLS, and the limit of file descriptors."""

import contextlib
import socket
import ssl
import sys

from proxy.server.settings import Address, SettingsError, TlsFiles

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


def tls_context(files: TlsFiles | None) -> ssl.SSLContext | None:
    """The TLS context of the traffic listener. Raises SettingsError for files that cannot be used."""
    if files is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for option, path in (("--tls-cert", files.cert), ("--tls-key", files.key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise SettingsError(f"facade: {option} {path}: {error.strerror or error}") from None
    try:
        # Without `password`, OpenSSL would ask for the passphrase on the terminal.
        context.load_cert_chain(files.cert, files.key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SettingsError(
            f"facade: --tls-cert {files.cert} and --tls-key {files.key}: {reason}: "
            "they have to be a certificate and its private key, as PEM, the key without a passphrase"
        ) from None
    return context


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
