"""The certificates of the traffic listener: renewed while it serves, chosen by server name, required of clients."""

import contextlib
import http.client
import os
import signal
import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.integration.test_workers import workers as pids_of_workers
from tests.support.certificates import Authority, PemFiles
from tests.support.facade_process import FacadeProcess, facade_process
from tests.support.waiting import until

EVERYWHERE = pytest.mark.parametrize("workers", ["1", "2"])
_TIMES = 12
"""So many connections reach each of two workers."""


def options(*files: PemFiles) -> list[str]:
    return [
        word
        for each in files
        for word in ("--tls-cert", str(each.cert), "--tls-key", str(each.key))
    ]


def serial_of(
    facade: FacadeProcess, name: str | None = "a.example", own: PemFiles | None = None
) -> int:
    """The serial number of the certificate that a client gets, after a request with a good response."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    if own is not None:
        client.load_cert_chain(own.cert, own.key)
    with (
        socket.create_connection(("127.0.0.1", facade.port), 10) as plain,
        client.wrap_socket(plain, server_hostname=name) as wrapped,
    ):
        wrapped.sendall(b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        response = b"".join(iter(lambda: wrapped.recv(4000), b""))
        if not response:  # With TLS 1.3 a client hears of a refusal when it reads.
            raise ConnectionAbortedError
        assert response.endswith(b"hello"), response
        der = wrapped.getpeercert(binary_form=True)
        assert der is not None
        return _serial(der)


def _serial(der: bytes) -> int:
    from cryptography import x509

    return x509.load_der_x509_certificate(der).serial_number


def all_get(facade: FacadeProcess, serial: int) -> bool:
    return all(serial_of(facade) == serial for _ in range(_TIMES))


@pytest.mark.parametrize("hup", [False, True])
@EVERYWHERE
def test_a_renewed_certificate_is_used_without_a_restart(
    tmp_path: Path, workers: str, hup: bool
) -> None:
    authority = Authority()
    old, new = authority.issue("a.example"), authority.issue("a.example")
    files = old.write(tmp_path, "tls")
    with facade_process(tmp_path, *options(files), "--workers", workers) as facade:
        assert all_get(facade, old.certificate.serial_number)
        trusting = ssl.create_default_context(cadata=authority.chain().decode())
        trusting.check_hostname = False
        kept = http.client.HTTPSConnection("127.0.0.1", facade.port, context=trusting, timeout=10)
        with contextlib.closing(kept):
            kept.request("GET", "/hello")
            assert kept.getresponse().read() == b"hello"
            new.write(tmp_path, "tls")
            if hup:
                facade.popen.send_signal(signal.SIGHUP)
            until(lambda: all_get(facade, new.certificate.serial_number), 30)
            kept.request("GET", "/hello")
            assert kept.getresponse().read() == b"hello"
        assert facade.stop() == 0


@EVERYWHERE
def test_files_that_cannot_be_used_leave_the_certificate_and_are_logged(
    tmp_path: Path, workers: str
) -> None:
    authority = Authority()
    old, new = authority.issue("a.example"), authority.issue("a.example")
    files = old.write(tmp_path, "tls")
    with facade_process(tmp_path, *options(files), "--workers", workers) as facade:
        files.key.write_bytes(new.private())  # It does not fit to the certificate.
        until(lambda: sum("kept the certificates" in line for line in facade.log) == int(workers))
        assert all_get(facade, old.certificate.serial_number)
        if workers == "2":
            victim = pids_of_workers(facade)[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda: facade.admin_json("/readyz")["workers_serving"] == 2)
            assert all_get(facade, old.certificate.serial_number)
        files.cert.write_bytes(new.chain())
        until(lambda: all_get(facade, new.certificate.serial_number), 30)
        assert facade.stop() == 0


def test_no_request_is_lost_while_certificates_are_renewed(tmp_path: Path) -> None:
    authority = Authority()
    files = authority.issue("a.example").write(tmp_path, "tls")
    failed: list[str] = []
    over = threading.Event()
    with facade_process(tmp_path, *options(files)) as facade:

        def load() -> None:
            while not over.is_set():
                try:
                    serial_of(facade)
                except (OSError, AssertionError) as error:
                    failed.append(repr(error))

        clients = [threading.Thread(target=load) for _ in range(2)]
        for client in clients:
            client.start()
        for _ in range(5):
            renewed = authority.issue("a.example")
            renewed.write(tmp_path, "tls")
            facade.popen.send_signal(signal.SIGHUP)
            serial = renewed.certificate.serial_number
            until(lambda serial=serial: serial_of(facade) == serial, 30)  # type: ignore[misc]
        over.set()
        for client in clients:
            client.join(30)
        assert facade.stop() == 0
    assert failed == []


def test_a_certificate_is_chosen_by_the_name_that_the_client_wants(tmp_path: Path) -> None:
    authority = Authority()
    first = authority.issue("a.example", "www.a.example")
    second = authority.issue("B.example", "*.b.example", expired=True)
    files = first.write(tmp_path, "first"), second.write(tmp_path, "second")
    one, two = (each.certificate.serial_number for each in (first, second))
    names = {
        "a.example": one,
        "www.a.example": one,
        "b.example": two,
        "shop.b.example": two,
        "deep.shop.b.example": one,
        "other.example": one,
        None: one,
    }
    with facade_process(tmp_path, *options(*files)) as facade:
        assert {name: serial_of(facade, name) for name in names} == names
        renewed = authority.issue("b.example", "c.example")
        renewed.write(tmp_path, "second")
        serial = renewed.certificate.serial_number
        until(lambda: serial_of(facade, "c.example") == serial, 30)
        assert serial_of(facade, "shop.b.example") == one


@EVERYWHERE
def test_clients_need_a_certificate_of_the_authority(tmp_path: Path, workers: str) -> None:
    ours, theirs = Authority("ours"), Authority("theirs")
    server = ours.issue("a.example")
    files = server.write(tmp_path, "tls")
    good, bad = ours.issue("client").write(tmp_path, "good"), theirs.issue("client")
    stranger = bad.write(tmp_path, "bad")
    ca = tmp_path / "ca.crt"
    ca.write_bytes(ours.chain())
    arguments = (*options(files), "--tls-client-ca", str(ca), "--workers", workers)
    with facade_process(tmp_path, *arguments) as facade:
        serial = server.certificate.serial_number
        for _ in range(_TIMES):
            assert serial_of(facade, own=good) == serial
            for without in (None, stranger):
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    serial_of(facade, own=without)
        ca.write_bytes(theirs.chain())
        until(lambda: serial_of(facade, own=stranger) == serial, 30)
        until(lambda: _is_refused(facade, good), 30)


def _is_refused(facade: FacadeProcess, own: PemFiles) -> bool:
    for _ in range(_TIMES):
        try:
            serial_of(facade, own=own)
        except OSError:
            continue
        return False
    return True


def test_an_authority_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    from tests.integration.test_serve_process import refused

    files = Authority().issue("a.example").write(tmp_path, "tls")
    (tmp_path / "routes.yaml").write_text(
        "version: 1\nbackends: {a: http://h}\nroutes: [{name: r, backend_refs: a}]\n"
    )
    ca = tmp_path / "ca.crt"
    rest = ("--routes", str(tmp_path / "routes.yaml"), "--listen", "127.0.0.1:0")
    assert "--tls-client-ca" in refused(*options(files), "--tls-client-ca", str(ca), *rest)
    ca.write_text("no certificate")
    assert "certificates of authorities" in refused(
        *options(files), "--tls-client-ca", str(ca), *rest
    )
