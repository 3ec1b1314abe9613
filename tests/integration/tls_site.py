"""A folder with a table whose backend speaks TLS."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.certificates import Authority, Issued, server_context
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import Origin, origin
from tests.support.wire import Wire

TABLE = """\
version: 1
backends:
  legacy:
    url: https://localhost:{port}
    tls: {{{tls}}}
routes: [{{name: all, backend_refs: legacy}}]
"""


async def _client_serial(wire: Wire) -> None:
    """Responds to each request with the serial number of the client's certificate."""
    while True:
        certificate = wire.peer_certificate
        await wire.respond(str(certificate["serialNumber"]).encode() if certificate else b"nobody")


def serial_of(issued: Issued) -> bytes:
    """The serial number as `ssl` shows it."""
    number = f"{issued.certificate.serial_number:X}"
    return number.zfill(len(number) + len(number) % 2).encode()


class Site:
    """A folder with the files of a table, and the authority of the backend."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        (folder / "ca.pem").write_bytes(self.authority.chain())

    def server(
        self, *names: str, expired: bool = False, clients_of: Authority | None = None
    ) -> ssl.SSLContext:
        issued = self.authority.issue(*names, expired=expired)
        return server_context(self.folder, issued, clients_of=clients_of, alpn=("h2", "http/1.1"))

    @contextlib.asynccontextmanager
    async def facade(
        self, server: ssl.SSLContext, tls: str = "ca_file: ca.pem"
    ) -> AsyncIterator[tuple[RunningFacade, Origin]]:
        """A facade whose one backend speaks TLS."""
        async with origin(_client_serial, tls=server) as backend:
            table = TABLE.format(port=backend.port, tls=tls)
            async with facade_in_loop(table, self.folder) as facade:
                yield facade, backend
