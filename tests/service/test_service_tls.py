"""TLS to PostgreSQL with libpq's modes, and the password, which is never sent in clear text outside TLS."""

import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from flightspecial_service.app import build
from flightspecial_service.errors import Unavailable
from flightspecial_service.infrastructure.postgres.connector import connect
from flightspecial_service.settings import (
    SSLMODES,
    DatabaseSettings,
    Secret,
    Settings,
    read_settings,
)
from tests.service.postgres_proxy import PostgresProxy, postgres_proxy
from tests.service.service_runner import OPEN, command, eventually_ready, serving, variables
from tests.support.certificates import Authority, server_context

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_CLEARTEXT_PASSWORD = b"R" + struct.pack("!ii", 8, 3)
_AUTHENTICATION_OK = b"R" + struct.pack("!ii", 8, 0)
PASSWORD = "P@ssw0rd"


class Collector:
    """A server without TLS that asks for the password in clear text, and keeps all that it gets."""

    def __init__(self, greeting: bytes, path: Path | None = None) -> None:
        self.received = b""
        self.asked = 0
        self._greeting = greeting
        self._peers: list[socket.socket] = []
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port: int = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # A client whose request for TLS was refused may keep its connection.
        for peer in self._peers:
            with suppress(OSError):  # it is closed
                peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._peers.append(peer)
            with peer, suppress(OSError):  # the client may leave at any time
                self._serve(peer)

    def _serve(self, peer: socket.socket) -> None:
        peer.settimeout(10)
        first = peer.recv(8)
        while first == _SSL_REQUEST:
            peer.sendall(b"N")
            first = peer.recv(8)
        if not first:
            return
        self.received += first + peer.recv(65_536)
        self.asked += 1
        # In pieces, as TCP may deliver it.
        for byte in self._greeting:
            peer.sendall(bytes([byte]))
        while data := peer.recv(65_536):
            self.received += data


@contextmanager
def collector(greeting: bytes, path: Path | None = None) -> Iterator[Collector]:
    made = Collector(greeting, path)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("disable", "in clear text outside TLS; nothing was sent"),
        ("allow", "rejected SSL upgrade"),  # its second attempt
        ("prefer", "in clear text outside TLS; nothing was sent"),
    ],
)
@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(_CLEARTEXT_PASSWORD, id="immediately"),
        pytest.param(_AUTHENTICATION_OK + _CLEARTEXT_PASSWORD, id="after it let us in"),
    ],
)
async def test_no_password_is_sent_in_clear_text_outside_tls(
    mode: str, why: str, greeting: bytes
) -> None:
    with collector(greeting) as server:
        settings = DatabaseSettings(
            host="127.0.0.1", port=server.port, password=Secret(PASSWORD), sslmode=mode
        )
        with pytest.raises(Unavailable) as refused:
            await connect(settings)
    assert why in str(refused.value.__cause__)
    assert server.asked >= 1
    assert server.received.startswith(struct.pack("!i", len(server.received)))
    assert b"flightspecials" in server.received  # the start message, and nothing after it
    assert PASSWORD.encode() not in server.received


async def test_no_password_is_sent_in_clear_text_over_a_unix_socket() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        collector(_CLEARTEXT_PASSWORD, Path(folder) / ".s.PGSQL.5432") as server,
        pytest.raises(Unavailable) as refused,
    ):
        await connect(DatabaseSettings(host=folder, password=Secret(PASSWORD)))
    assert "nothing was sent" in str(refused.value.__cause__)
    assert PASSWORD.encode() not in server.received


@pytest.mark.parametrize("mode", SSLMODES[3:])
async def test_nothing_is_sent_to_a_server_without_tls_if_that_is_required(
    mode: str, root: str
) -> None:
    with collector(_AUTHENTICATION_OK) as server:
        settings = DatabaseSettings(
            host="127.0.0.1", port=server.port, sslmode=mode, sslrootcert=root
        )
        with pytest.raises(Unavailable):
            await connect(settings)
    assert (server.received, server.asked) == (b"", 0)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def stranger() -> Authority:
    return Authority("another authority")


@pytest.fixture
def root(authority: Authority, tmp_path: Path) -> str:
    """The file with the certificate of the authority."""
    return str(authority.write(tmp_path, "root").cert)


@contextmanager
def with_tls(database: DatabaseSettings, context: ssl.SSLContext) -> Iterator[PostgresProxy]:
    """The server of the tests has no TLS. A proxy in front of it has, and also accepts connections without it."""
    with postgres_proxy(database.host, database.port, context) as front:
        yield front


@pytest.mark.parametrize(
    ("mode", "verifies", "signed_by", "name", "encrypted"),
    [
        ("disable", False, "authority", "127.0.0.1", False),
        ("allow", False, "stranger", "127.0.0.1", False),
        ("prefer", False, "stranger", "127.0.0.1", True),
        ("prefer", True, "stranger", "127.0.0.1", True),
        ("require", False, "stranger", "127.0.0.1", True),
        ("require", True, "stranger", "127.0.0.1", None),
        ("require", True, "authority", "db.example", True),
        ("verify-ca", True, "authority", "db.example", True),
        ("verify-ca", True, "stranger", "127.0.0.1", None),
        ("verify-full", True, "authority", "127.0.0.1", True),
        ("verify-full", True, "authority", "db.example", None),
    ],
)
async def test_a_mode_verifies_as_libpq(
    database: DatabaseSettings,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    root: str,
    mode: str,
    verifies: bool,
    signed_by: str,
    name: str,
    encrypted: bool | None,
) -> None:
    signer: Authority = request.getfixturevalue(signed_by)
    context = server_context(tmp_path, signer.issue(name))
    with with_tls(database, context) as front:
        settings = replace(
            database, port=front.port, sslmode=mode, sslrootcert=root if verifies else ""
        )
        if encrypted is None:
            with pytest.raises(Unavailable, match="cannot be reached"):
                await connect(settings)
        else:
            session = await connect(settings)
            assert await session.fetchval("SELECT 1") == 1
            await session.close()
            assert bool(front.encrypted) is encrypted


def test_the_service_runs_with_a_verified_server(
    database: DatabaseSettings, authority: Authority, tmp_path: Path, root: str
) -> None:
    context = server_context(tmp_path, authority.issue("127.0.0.1"))
    with with_tls(database, context) as front:
        verified = replace(database, port=front.port, sslmode="verify-full", sslrootcert=root)
        with serving(build(Settings(database=verified, edge=OPEN), lambda: None)) as client:
            eventually_ready(client)
            assert client.post("/flightspecials", json={"header": "x"}).status_code == 201
            assert len(client.get("/flightspecials").json()) == 12
        assert front.encrypted >= 3  # the migrations, the probe, the pool


def test_a_password_in_clear_text_is_sent_inside_tls(authority: Authority, tmp_path: Path) -> None:
    """The other side of the rule: TLS protects it."""
    context = server_context(tmp_path, authority.issue("127.0.0.1"))
    with (
        collector(_CLEARTEXT_PASSWORD) as server,
        postgres_proxy("127.0.0.1", server.port, context) as front,
    ):
        env = {
            "PROFILE": "local",
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(front.port),
            "DB_PASSWORD": PASSWORD,
            "DB_SSLMODE": "require",
        }
        done = command("info", env=env)
    assert done.returncode == 1
    assert PASSWORD.encode() in server.received


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"DB_SSLMODE": "verify"}, "DB_SSLMODE must be prefer or disable or allow or require"),
        (
            {"DB_SSLMODE": "verify-full"},
            "DB_SSLROOTCERT must be a file, as DB_SSLMODE is verify-full",
        ),
        ({"DB_SSLROOTCERT": "/does/not/exist"}, "DB_SSLROOTCERT must be a readable file"),
        ({"DB_SSLROOTCERT": "pyproject.toml"}, "DB_SSLROOTCERT must be a readable file"),
    ],
)
def test_a_bad_setting_of_tls_ends_with_status_2(
    database: DatabaseSettings, more: dict[str, str], problem: str
) -> None:
    done = command("info", env=variables(database, **more))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert problem in done.stderr


def test_the_profile_test_requires_tls_by_default() -> None:
    environ = {"PROFILE": "test", "DATABASE_ENDPOINT": "db", "DATABASE_USERNAME": "secret"}
    assert read_settings(environ).database.sslmode == "require"
    assert read_settings({}).database.sslmode == "prefer"
