"""A facade with workers, a monolith and a newcomer, for the tests and the pictures of the dashboard."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.facade_process import FacadeProcess, facade_process

HOSTILE = "<img src=x onerror=alert(1)>"
TABLE = """\
version: 1
backends:
  monolith: {{url: "{monolith}", health_check: {{path: /health, interval: 1s, timeout: 1s}}}}
  newcomer: {{url: "{newcomer}", health_check: {{path: /health, interval: 1s, timeout: 1s}}}}
routes:
  - name: flights
    stage: canary
    match: {{path: {{prefix: /flights}}}}
    backend_refs: {{monolith: 80, newcomer: 20}}
    rollout:
      steps: [{{set_weight: 40}}, {{pause: {{}}}}, {{set_weight: 70}}, {{pause: {{}}}}, {{set_stage: live}}]
  - name: hotels
    stage: live
    match: {{path: {{prefix: /hotels}}}}
    backend_refs: {{monolith: 0, newcomer: 100}}
  - name: profile
    stage: shadow
    match: {{path: {{prefix: /profile}}}}
    backend_refs: {{monolith: 100, newcomer: 0}}
    mirror: {{compare: {{body: {{}}}}}}
  - name: rest
    backend_refs: monolith
"""


@dataclass(frozen=True)
class Site:
    """A facade in front of two backends."""

    facade: FacadeProcess
    routes: Path

    @property
    def url(self) -> str:
        """Of the dashboard."""
        return f"http://127.0.0.1:{self.facade.admin.port}"

    def replace(self, old: str, new: str) -> None:
        """Edit the file by hand."""
        text = self.routes.read_text()
        assert old in text
        self.routes.write_text(text.replace(old, new))


@contextlib.contextmanager
def backend(delay_s: float = 0.0, seat: str = "12A") -> Iterator[str]:
    """A backend that responds to everything after `delay_s`, and to paths with `broken` with a 500.

    The body is a profile. `seat` is that of the paths that end in an even digit.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            time.sleep(delay_s)
            status = 500 if "broken" in self.path else 200
            self.send_response(status)
            profile = {"path": self.path, "seat": seat if self.path[-1] in "02468" else "12A"}
            body = json.dumps(profile).encode()
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextlib.contextmanager
def site(folder: Path, *arguments: str, table: str = TABLE) -> Iterator[Site]:
    """The facade has two workers, and the folder for itself: an edit writes beside the table.

    The newcomer gives every second profile another seat.
    """
    with backend(0.02) as monolith, backend(0.004, "14C") as newcomer:
        text = table.format(monolith=monolith, newcomer=newcomer)
        with facade_process(folder, "--workers", "2", *arguments, table=text) as facade:
            yield Site(facade, folder / "routes.yaml")
