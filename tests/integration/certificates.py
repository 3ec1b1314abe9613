"""Authorities and certificates for tests, made when they are needed."""

import ssl
from collections.abc import Sequence
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


class Issued:
    """A certificate with its key, in files of a folder."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.key = key

    def chain(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def private(self, passphrase: bytes | None = None) -> bytes:
        encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def write(self, folder: Path, name: str) -> None:
        """`name.crt` and `name.key`."""
        (folder / f"{name}.crt").write_bytes(self.chain())
        (folder / f"{name}.key").write_bytes(self.private())


class Authority(Issued):
    """Issues certificates, and is trusted by whoever is given `chain()`."""

    def __init__(self, name: str = "authority of a test") -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        builder = _builder(subject, subject, key, expired=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        super().__init__(builder.sign(key, hashes.SHA256()), key)

    def issue(self, *names: str, expired: bool = False) -> Issued:
        """For these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(names[0]), self.certificate.subject, key, expired=expired)
        builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(names)), False)
        return Issued(builder.sign(self.key, hashes.SHA256()), key)


def server_context(
    folder: Path, issued: Issued, clients_of: Authority | None = None
) -> ssl.SSLContext:
    """A server's context. With `clients_of` clients have to show a certificate of that authority."""
    issued.write(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    if clients_of is not None:
        context.load_verify_locations(cadata=clients_of.chain().decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    until = now - timedelta(days=1) if expired else now + timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(until)
    )


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found
