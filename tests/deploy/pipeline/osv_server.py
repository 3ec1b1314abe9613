"""A vulnerability database with the interface of OSV, in which a test lists packages."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MODIFIED = "2026-01-01T00:00:00Z"


@contextmanager
def osv_running() -> Iterator[tuple[str, list[str]]]:
    """The URL of a query, and the names of the packages that have a vulnerability."""
    vulnerable: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = asked["package"]["name"]
            body = json.dumps({"vulns": [_record(name)]} if name in vulnerable else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: pytest shows the output of the pipeline."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query", vulnerable
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _record(name: str) -> dict[str, object]:
    package = {"name": name, "ecosystem": "PyPI"}
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]
    return {
        "id": "GHSA-test",
        "summary": "Of a test",
        "details": "Of a test",
        "modified": _MODIFIED,
        "published": _MODIFIED,
        "affected": [{"package": package, "ranges": ranges, "versions": []}],
    }
