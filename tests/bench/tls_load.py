"""A load of new TLS connections: one request each, the session of the connection before resumed.

argv: port, connections at a time, seconds. Prints one JSON line, like the load.
"""

import json
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress

from tests.bench.load import percentile
from tests.bench.wire import requests_of

_TIMEOUT_S = 10.0


class Clients:
    """Threads, each with one connection after the other."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._heads = requests_of("tls-close").heads
        # Whether the certificate is right is no matter of speed; it is one of the contestant's own making.
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self.waits_s: list[float] = []
        self.resumed = 0
        self.failed: list[str] = []

    def run(self, seconds: float, count: int) -> None:
        """Ask for `seconds`."""
        until = time.perf_counter() + seconds
        threads = [threading.Thread(target=self._one, args=(until, at)) for at in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, until: float, at: int) -> None:
        session: ssl.SSLSession | None = None
        while time.perf_counter() < until and not self.failed:
            began = time.perf_counter()
            try:
                session = self._asked(self._heads[at % len(self._heads)], session)
            except OSError as error:
                self.failed.append(str(error))
                return
            self.waits_s.append(time.perf_counter() - began)
            at += 1

    def _asked(self, head: bytes, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        plain = socket.create_connection(self._address, _TIMEOUT_S)
        with self._context.wrap_socket(plain, session=session) as client:
            self.resumed += bool(client.session_reused)
            client.sendall(head)
            data = b""
            with suppress(ssl.SSLEOFError):  # Some end without a close_notify.
                while piece := client.recv(65_536):
                    data += piece
            if not data.startswith(b"HTTP/1.1 200"):
                raise OSError(data[:80].decode("latin-1") or "the connection closed")
            return client.session


def main(argv: list[str]) -> None:
    port, connections, seconds = argv
    clients = Clients(int(port))
    began = time.perf_counter()
    clients.run(float(seconds), int(connections))
    took_s = time.perf_counter() - began
    waits = sorted(clients.waits_s)
    if not clients.failed and clients.resumed < 0.9 * len(waits):
        clients.failed.append(f"of {len(waits)} connections {clients.resumed} resumed a session")
    print(
        json.dumps(
            {
                "requests": len(waits),
                "per_second": len(waits) / took_s,
                "took_s": took_s,
                "failed": clients.failed[:3],
                "p50_ms": percentile(waits, 0.5) * 1000,
                "p99_ms": percentile(waits, 0.99) * 1000,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
