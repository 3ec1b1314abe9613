"""TLS contexts for connections to backends. The backend's certificate is always verified."""

import os
import re
import ssl

from msgspec import Struct

from proxy.errors import FacadeError
from proxy.model import BackendTls, TlsKey

_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----\r?\n.*?-----END CERTIFICATE-----\r?\n?", re.DOTALL
)
_READ_BYTES = 256 * 1024
_ENCRYPTED = (b"ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")


class TlsFault(FacadeError):
    """A file of a backend's `tls` has the wrong content. `key` names it; `text` and `hint` are for a `Problem`."""

    def __init__(self, key: TlsKey, text: str, hint: str) -> None:
        super().__init__(f"{text}: {hint}")
        self.key = key
        self.text = text
        self.hint = hint


class Pem(Struct, frozen=True):
    """The contents of the files of a `BackendTls`."""

    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = None


class ReadableTls(ssl.SSLObject):
    """A TLS session whose rest can be read when the event loop has given up its connection."""

    incoming: ssl.MemoryBIO
    """Where encrypted bytes come in."""

    def read_rest(self, descriptor: int) -> bytes:
        """Decrypted bytes of what the kernel has; empty if there are no more. `descriptor` does not block."""
        while True:
            try:
                encrypted = os.read(descriptor, _READ_BYTES)
            except OSError:
                encrypted = b""
            self.incoming.write(encrypted)
            try:
                data = self.read(_READ_BYTES)
            except ssl.SSLError:
                data = b""
            if data or not encrypted:
                return data


class _ReadableContext(ssl.SSLContext):
    """Makes sessions of the kind `ReadableTls`."""

    sslobject_class = ReadableTls

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        tls = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(tls, ReadableTls):
            tls.incoming = incoming
        return tls


def default_context() -> ssl.SSLContext:
    """Trusts the certificate authorities of the system. TLS 1.2 or later, HTTP/1.1 only."""
    return _for_http(ssl.create_default_context())


def context_of(tls: BackendTls, pem: Pem) -> ssl.SSLContext:
    """The context for a backend. Raises TlsFault, or OSError for a file that is gone.

    OpenSSL accepts a client certificate only as a file, so `load_cert_chain` reads it again.
    """
    context = default_context() if pem.ca is None else _context_with_authorities(pem.ca)
    if tls.cert_file is not None and pem.cert is not None:
        _check_client_pem(tls, pem)
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_passphrase)
        except ssl.SSLError as error:
            raise _client_fault(tls, error) from None
    return context


def _context_with_authorities(authorities: bytes) -> ssl.SSLContext:
    hint = "write the file of an authority, which holds -----BEGIN CERTIFICATE-----"
    # Many bundles have comments between the certificates, in any encoding: leave them out.
    certificates = b"".join(_CERTIFICATE.findall(authorities))
    if not certificates:
        raise TlsFault("ca_file", "`ca_file` holds no certificate in PEM", hint)
    try:
        context = ssl.create_default_context(cadata=certificates.decode("ascii"))
    except (ssl.SSLError, UnicodeError) as error:
        raise TlsFault(
            "ca_file", f"`ca_file` holds a broken certificate: {_reason(error)}", hint
        ) from None
    # Python 3.13 changed these defaults. Set the same for all versions: a trusted intermediate is enough, and private
    # authorities seldom follow RFC 5280 strictly. Names, dates and signatures are still checked.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return _for_http(context)


def _for_http(context: ssl.SSLContext) -> ssl.SSLContext:
    context.__class__ = _ReadableContext  # `create_default_context` takes no class.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _check_client_pem(tls: BackendTls, pem: Pem) -> None:
    """Raises TlsFault for mistakes that OpenSSL reports with unhelpful messages."""
    cert = pem.cert or b""
    key = cert if pem.key is None else pem.key
    which: TlsKey = "cert_file" if pem.key is None else "key_file"
    if b"-----BEGIN CERTIFICATE-----" not in cert:
        hint = "write the file of the certificate, which holds -----BEGIN CERTIFICATE-----"
        raise TlsFault("cert_file", "`cert_file` holds no certificate in PEM", hint)
    if any(mark in key for mark in _ENCRYPTED):
        hint = "give a key that asks for none: nobody is there to type it"
        raise TlsFault(which, "the private key asks for a passphrase", hint)
    if b"PRIVATE KEY-----" not in key:
        if tls.key_file is None:
            raise TlsFault(which, "`cert_file` holds no private key", "add `key_file:`")
        hint = "write the file of the key, which holds -----BEGIN PRIVATE KEY-----"
        raise TlsFault(which, "`key_file` holds no private key in PEM", hint)


def _client_fault(tls: BackendTls, error: ssl.SSLError) -> TlsFault:
    key: TlsKey = "cert_file" if tls.key_file is None else "key_file"
    if error.reason == "KEY_VALUES_MISMATCH":
        hint = "write the key with which the certificate was asked for"
        return TlsFault(key, "the private key does not belong to the certificate", hint)
    text = f"certificate and private key cannot be read: {_reason(error)}"
    return TlsFault("cert_file", text, "look at them with `openssl x509` and `openssl pkey`")


def _no_passphrase() -> str:
    """Without it OpenSSL would ask for a passphrase on the terminal."""
    return ""


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or "it is no PEM").lower().replace("_", " ")
