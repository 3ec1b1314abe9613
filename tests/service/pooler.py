"""PgBouncer in front of a PostgreSQL of the tests."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from deploy.local import account
from deploy.local.postgres import free_port
from flightspecial_service.settings import DatabaseSettings
from tests.service.service_runner import DEADLINE_S

# Defaults of PgBouncer but for these: it rejects startup parameters that it does not know.
_CONFIG = """
[databases]
{name} = host={host} port={port} dbname={name} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = 5
server_tls_sslmode = disable
logfile =
pidfile =
"""


@contextmanager
def pgbouncer(database: DatabaseSettings, mode: str) -> Iterator[DatabaseSettings]:
    """The settings of the database by way of PgBouncer, for the duration of the block."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder, listen = Path(name), free_port()
        folder.chmod(0o755)  # PgBouncer refuses to run as root, and reads its files as another user
        users, config = folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text(f'"{database.username}" ""\n')
        config.write_text(
            _CONFIG.format(
                name=database.name,
                host=database.host,
                port=database.port,
                user=database.username,
                password=database.password.reveal(),
                listen=listen,
                users=users,
                mode=mode,
            )
        )
        server = subprocess.Popen(
            [program, "-q", str(config)],
            cwd="/",
            stderr=subprocess.DEVNULL,
            **account.credentials(account.choose(folder / "none")),
        )
        try:
            pooled = replace(database, port=listen)
            _await_ready(server, pooled)
            yield pooled
        finally:
            os.kill(server.pid, signal.SIGINT)
            try:
                server.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await_ready(server: "subprocess.Popen[bytes]", pooled: DatabaseSettings) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        assert server.poll() is None, "PgBouncer did not start"
        try:
            return socket.create_connection((pooled.host, pooled.port), DEADLINE_S).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "PgBouncer does not listen"
            time.sleep(0.02)
