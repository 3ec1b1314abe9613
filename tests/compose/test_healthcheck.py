"""The images' health check, as they run it."""

import contextlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.compose.reading import IMAGES


@contextlib.contextmanager
def responding(status: int) -> Iterator[int]:
    """A server on a free port that responds to every request with `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(f"asked for {self.path}".encode())

        def log_message(self, format: str, *_: object) -> None:
            """Tests print nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


def check(port: int) -> tuple[int, str]:
    argv = [sys.executable, "-IS", str(IMAGES / "healthcheck.py"), str(port), "/readyz"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert not done.stderr
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (302, 1), (404, 1), (401, 1), (503, 1)])
def test_only_200_is_healthy_and_what_was_said_is_shown(status: int, code: int) -> None:
    with responding(status) as port:
        assert check(port) == (code, f"{status} asked for /readyz")


def test_nobody_there_is_not_healthy() -> None:
    with responding(200) as port:
        pass
    code, said = check(port)
    assert code == 1
    assert said.startswith(f"port {port} does not answer /readyz: ")
