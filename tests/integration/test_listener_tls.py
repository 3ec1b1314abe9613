"""TLS on the traffic listener, asked by a real TLS client."""

import asyncio
import http.client
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from proxy.server.settings import CertificateFiles, TlsFiles
from tests.support.certificates import Authority
from tests.support.facade_in_loop import facade_in_loop
from tests.support.facade_process import ROOT, TABLE, command, facade_process
from tests.support.origin import ok, origin, responding
from tests.support.waiting import until
from tests.support.wire import Message

TO_BACKEND = """
version: 1
backends: {{b: {url}}}
routes: [{{name: all, backend_refs: b}}]
"""


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """A certificate with its chain, and its key."""
    authority = Authority()
    written = authority.issue("localhost").write(tmp_path, "tls")
    written.cert.write_bytes(written.cert.read_bytes() + authority.chain())
    return TlsFiles((CertificateFiles(written.cert, written.key),))


def only(files: TlsFiles) -> CertificateFiles:
    return files.certificates[0]


def trusting(files: TlsFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=only(files).cert)


def arguments(files: TlsFiles) -> tuple[str, ...]:
    return ("--tls-cert", str(only(files).cert), "--tls-key", str(only(files).key))


def asked(port: int, tls: ssl.SSLContext) -> tuple[int, bytes]:
    asking = http.client.HTTPSConnection("localhost", port, context=tls, timeout=10)
    try:
        asking.request("GET", "/hello")
        response = asking.getresponse()
        return response.status, response.read()
    finally:
        asking.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_client_that_trusts_the_certificate_is_served(
    tmp_path: Path, files: TlsFiles, workers: str
) -> None:
    with facade_process(tmp_path, *arguments(files), "--workers", workers) as facade:
        assert facade.scheme == "https"
        assert asked(facade.port, trusting(files)) == (200, b"hello")
        with pytest.raises(ssl.SSLCertVerificationError):
            asked(facade.port, ssl.create_default_context())
        assert facade.get("/healthz", admin=True)[0] == 200
        assert facade.stop() == 0


def test_what_is_agreed_on(tmp_path: Path, files: TlsFiles) -> None:
    with facade_process(tmp_path, *arguments(files)) as facade:
        for offered, version in (
            (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
            (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        ):
            tls = trusting(files)
            tls.minimum_version = tls.maximum_version = offered
            tls.set_alpn_protocols(["h2", "http/1.1"])
            with (
                socket.create_connection(("127.0.0.1", facade.port)) as plain,
                tls.wrap_socket(plain, server_hostname="localhost") as wrapped,
            ):
                assert wrapped.version() == version
                assert wrapped.selected_alpn_protocol() == "http/1.1"


def test_a_client_without_tls_gets_no_response(tmp_path: Path, files: TlsFiles) -> None:
    with facade_process(tmp_path, *arguments(files)) as facade:
        with socket.create_connection(("127.0.0.1", facade.port), 10) as plain:
            plain.sendall(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n")
            assert b"hello" not in plain.recv(1000)
        until(lambda: asked(facade.port, trusting(files)) == (200, b"hello"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_handshake_under_way_is_no_connection_to_be_lost(
    tmp_path: Path, files: TlsFiles, workers: str
) -> None:
    """A far client needs longer for it than a near one does for its whole request."""
    with facade_process(tmp_path, *arguments(files), "--workers", workers) as facade:
        with socket.create_connection(("127.0.0.1", facade.port), 10) as plain:
            time.sleep(0.2)  # Accepted by now.
            facade.popen.send_signal(signal.SIGTERM)
            time.sleep(0.6)
            with trusting(files).wrap_socket(plain, server_hostname="localhost") as wrapped:
                wrapped.sendall(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n")
                response = b"".join(iter(lambda: wrapped.recv(1000), b""))
        assert response.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nConnection: close\r\n" in response
        assert facade.popen.wait(10) == 0


async def test_a_backend_is_told_of_https(tmp_path: Path, files: TlsFiles) -> None:
    seen: list[Message] = []
    async with origin(responding(ok(b"yes"), seen)) as b:
        table = TO_BACKEND.format(url=b.url)
        async with facade_in_loop(table, tmp_path, tls=files) as facade:
            reader, writer = await asyncio.open_connection(
                facade.listen.host,
                facade.listen.port,
                ssl=trusting(files),
                server_hostname="localhost",
            )
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"yes")
            writer.close()
        assert b"x-forwarded-proto: https" in seen[0].raw.lower()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda files: only(files).cert.unlink(), "No such file or directory"),
        (
            lambda files: only(files).key.write_text("no key"),
            "have to be a certificate and its private key",
        ),
        (
            lambda files: only(files).cert.write_text(""),
            "have to be a certificate and its private key",
        ),
    ],
    ids=["no file", "no key", "no certificate"],
)
def test_files_that_cannot_be_used_are_refused(
    tmp_path: Path, files: TlsFiles, spoil: object, said: str, workers: str
) -> None:
    assert callable(spoil)
    spoil(files)
    (tmp_path / "routes.yaml").write_text(TABLE)
    free = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", workers)
    ended = subprocess.run(
        command("--routes", str(tmp_path / "routes.yaml"), *free, *arguments(files)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
