"""A server on a free port that responds to POST in JSON: stands in for services of others."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Respond = Callable[[str, Any], tuple[int, Any]]
"""The field X-Amz-Target and the request in; the status and the response out."""

_MODIFIED = "2026-01-01T00:00:00Z"


@contextmanager
def json_server(respond: Respond) -> Iterator[str]:
    """Its address, for the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            target = self.headers.get("X-Amz-Target", "")
            status, response = respond(target, json.loads(self.rfile.read(length)))
            body = json.dumps(response).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the tests read the output of the pipeline."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def advisory_server() -> Iterator[tuple[str, list[str]]]:
    """A vulnerability database with the interface of OSV, and the names of the packages that have a vulnerability."""
    vulnerable: list[str] = []

    def respond(_: str, asked: Any) -> tuple[int, Any]:
        name = asked["package"]["name"]
        return 200, {"vulns": [_advisory(name)]} if name in vulnerable else {}

    with json_server(respond) as url:
        yield f"{url}/v1/query", vulnerable


@contextmanager
def refusing_aws(codes: dict[str, str]) -> Iterator[str]:
    """An AWS that refuses each operation with the code that `codes` has for it."""

    def respond(target: str, _: Any) -> tuple[int, Any]:
        return 400, {"__type": codes[target.rpartition(".")[2]], "message": "it says why."}

    with json_server(respond) as url:
        yield url


def _advisory(name: str) -> dict[str, object]:
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
