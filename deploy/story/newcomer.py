"""The new service as it is deployed: first with a mistake, then mended, for a while down.

It passes requests on to the service of the local stack, and spoils the responses if it has to.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Build = Literal["mistaken", "mended", "down"]
_TIMEOUT_S = 10.0


class Newcomer:
    """What is deployed now."""

    def __init__(self, service_port: int) -> None:
        self.service_port = service_port
        self.build: Build = "mistaken"
        self.url = ""


@contextmanager
def deployed(service_port: int) -> Iterator[Newcomer]:
    """Serve the newcomer on a free port."""
    newcomer = Newcomer(service_port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, fields, body = _response(newcomer, self.path)
            self.send_response(status)
            for name, value in fields:
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The facade has an access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    newcomer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield newcomer
    finally:
        server.shutdown()
        thread.join(_TIMEOUT_S)
        server.server_close()


def _response(newcomer: Newcomer, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
    if newcomer.build == "down":
        return 503, [("content-type", "text/plain")], b"down"
    connection = http.client.HTTPConnection("127.0.0.1", newcomer.service_port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return 502, [("content-type", "text/plain")], b"the service does not respond"
    finally:
        connection.close()
    if newcomer.build == "mistaken" and response.status == 200:
        body = _mistaken(body)
    return response.status, [("content-type", response.headers["content-type"])], body


def _mistaken(body: bytes) -> bytes:
    """The first build shows the header texts in capitals."""
    rows = json.loads(body)
    return json.dumps([{**row, "header": row["header"].upper()} for row in rows]).encode()
