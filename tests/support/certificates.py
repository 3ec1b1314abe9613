"""Authorities and certificates for tests, created when needed. Keys are on elliptic curves: fast to generate."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_SIGNS_CERTIFICATES = x509.KeyUsage(*(number in (5, 6) for number in range(9)))


@dataclass(frozen=True)
class PemFiles:
    """A certificate and its key, in a file each."""

    cert: Path
    key: Path


class Issued:
    """A certificate with its key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.key = key

    def chain(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def private(self, passphrase: bytes | None = None) -> bytes:
        encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def write(self, folder: Path, name: str) -> PemFiles:
        """Write `name.crt` and `name.key`."""
        files = PemFiles(folder / f"{name}.crt", folder / f"{name}.key")
        files.cert.write_bytes(self.chain())
        files.key.write_bytes(self.private())
        return files


class Authority(Issued):
    """Issues certificates. A client that loads `chain()` trusts them."""

    def __init__(self, name: str = "authority of a test") -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        certificate = (
            _builder(subject, subject, key, expired=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
            .sign(key, hashes.SHA256())
        )
        super().__init__(certificate, key)

    def issue(self, *names: str, expired: bool = False) -> Issued:
        """A certificate for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _builder(_named(names[0]), self.certificate.subject, key, expired=expired)
            .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Issued(certificate, key)


def server_context(
    folder: Path,
    issued: Issued,
    *,
    clients_of: Authority | None = None,
    alpn: Sequence[str] = (),
) -> ssl.SSLContext:
    """A server's context. With `clients_of` each client needs a certificate of that authority."""
    files = issued.write(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if clients_of is not None:
        context.load_verify_locations(cadata=clients_of.chain().decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(authority: Authority) -> ssl.SSLContext:
    """A client's context, which trusts this authority and no other."""
    return ssl.create_default_context(cadata=authority.chain().decode())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * _DAY)
        .not_valid_after(now - _DAY if expired else now + _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_alternative(name) for name in names]


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
