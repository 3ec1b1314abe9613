"""TLS of the traffic listener: its certificates, chosen by server name, and their renewal while it serves."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from proxy.control.tls_files import signature_of
from proxy.server.settings import CertificateFiles, SettingsError, TlsFiles

log = logging.getLogger(__name__)

_ALPN = ["http/1.1"]
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which `ssl` does not name."""
_Signatures = dict[Path, tuple[int, ...]]


class ListenerTls:
    """The context of the traffic listener. A renewed one replaces it; connections keep the one that they began with."""

    def __init__(self, files: TlsFiles) -> None:
        """Blocks. Raises SettingsError for files that cannot be used."""
        self._files = files
        self._loaded = self._signatures()
        self._refused: _Signatures = {}
        self._use: Callable[[ssl.SSLContext], None] | None = None
        self.context = _context(files)

    @staticmethod
    def load(files: TlsFiles | None) -> "ListenerTls | None":
        """Blocks. Raises SettingsError."""
        return None if files is None else ListenerTls(files)

    async def follow(self, use: Callable[[ssl.SSLContext], None]) -> None:
        """Call `use` with the context now and after each renewal. One that fails leaves the context before."""
        self._use = use
        await asyncio.to_thread(self._reload)
        use(self.context)

    async def refresh(self) -> None:
        """Look at the files, and use them if they have changed. Files that cannot be used are logged, once."""
        if await asyncio.to_thread(self._reload) and self._use is not None:
            self._use(self.context)

    def _reload(self) -> bool:
        signatures = self._signatures()
        if signatures == self._loaded:
            return False
        try:
            self.context = _context(self._files)
        except SettingsError as error:
            # A certificate and its key are written one after the other: files that stay unusable are reported.
            if signatures == self._refused:
                log.error("kept the certificates of the listener: %s", error)
                self._loaded = signatures
            self._refused = signatures
            return False
        self._loaded = signatures
        log.info("the certificates of the listener were renewed")
        return True

    def _signatures(self) -> _Signatures:
        return {path: signature_of(path) for _, path in _paths(self._files)}


def _paths(files: TlsFiles) -> Iterator[tuple[str, Path]]:
    for each in files.certificates:
        yield "--tls-cert", each.cert
        yield "--tls-key", each.key
    if files.client_ca is not None:
        yield "--tls-client-ca", files.client_ca


def _context(files: TlsFiles) -> ssl.SSLContext:
    """The context of the first certificate, which chooses another by the name that the client wants (RFC 6066 3)."""
    for option, path in _paths(files):
        try:
            path.read_bytes()
        except OSError as error:
            raise SettingsError(f"facade: {option} {path}: {error.strerror or error}") from None
    first, *others = (_context_of(each, files.client_ca) for each in files.certificates)
    if not others:
        return first
    by_name: dict[str, ssl.SSLContext] = {}
    for each, context in zip(files.certificates, (first, *others), strict=True):
        for name in _names(each, context):
            by_name.setdefault(name, context)

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: object) -> None:
        wanted = (name or "").lower()
        wildcard = "*." + wanted.partition(".")[2]
        connection.context = by_name.get(wanted) or by_name.get(wildcard) or first

    first.sni_callback = choose
    return first


def _context_of(files: CertificateFiles, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # It costs the server more than the client.
    context.set_alpn_protocols(_ALPN)
    try:
        # Without `password`, OpenSSL would ask for the passphrase on the terminal.
        context.load_cert_chain(files.cert, files.key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"facade: --tls-cert {files.cert} and --tls-key {files.key}: {_reason(error)}: "
            "they have to be a certificate and its private key, as PEM, the key without a passphrase"
        ) from None
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"facade: --tls-client-ca {client_ca}: {_reason(error)}: "
                "it has to hold certificates of authorities, as PEM"
            ) from None
    return context


def _reason(error: Exception) -> object:
    return getattr(error, "reason", None) or error


def _names(files: CertificateFiles, server: ssl.SSLContext) -> list[str]:
    """The host names of a certificate (its subjectAltName), in lower case.

    `ssl` shows the fields of a peer's certificate only. So a client in memory makes a handshake with `server`. It
    trusts this certificate, and does not check its dates.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    client.load_verify_locations(files.cert)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    try:
        for _ in range(4):  # Flights of a handshake.
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLError as error:
        log.warning("cannot read the names in %s: %s", files.cert, _reason(error))
        return []
    certificate = ends[0].getpeercert() or {}
    names = certificate.get("subjectAltName", ())
    return [str(pair[1]).lower() for pair in names if pair[0] == "DNS"]
