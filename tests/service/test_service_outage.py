"""Secrets Manager throttles or is gone while the service runs (S1): the last secret stays in charge.

The service speaks to moto's server through a relay that can be told to throttle or to hang up.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from msgspec.structs import replace

from flightspecial_service.app import build
from flightspecial_service.settings import DatabaseSettings, Secret, Settings
from tests.service.running import command, eventually, eventually_ready, serving
from tests.service.test_service_aws import NAME, aws, moto, put_secret

__all__ = ("aws", "moto")  # fixtures

THROTTLED = b'{"__type":"ThrottlingException","message":"Rate exceeded"}'


class Relay(ThreadingHTTPServer):
    """In front of moto. `fault` is what it does instead of passing a request on."""

    fault: str | None = None
    refused = 0
    moto = ""


class Passing(BaseHTTPRequestHandler):
    """One request to the relay."""

    server: Relay

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.fault is None:
            kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            passed = httpx.post(self.server.moto + self.path, content=body, headers=kept)
            self._response(passed.status_code, passed.content)
            return
        self.server.refused += 1
        if self.server.fault == "throttled":
            self._response(400, THROTTLED)
        else:
            self.close_connection = True

    def _response(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def relaying(moto_url: str) -> Iterator[Relay]:
    relay = Relay(("127.0.0.1", 0), Passing)
    relay.moto = moto_url
    thread = threading.Thread(target=relay.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield relay
    finally:
        relay.shutdown()
        thread.join(10)
        relay.server_close()


@pytest.mark.parametrize("fault", ["throttled", "hanging up"])
def test_a_running_service_does_not_notice_that_aws_is_away(
    database: DatabaseSettings, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    put_secret(database.username, database.password.reveal())
    settings = Settings(
        database=replace(database, username="", password=Secret(""), secret_id=NAME)
    )
    with relaying(aws["AWS_ENDPOINT_URL"]) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{relay.server_address[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with serving(build(settings, lambda: None, poll_s=0.1)) as client:
            eventually_ready(client)
            relay.fault = fault
            responses: list[int] = []

            def ask() -> None:
                # Connections of their own, so that the pool has to open new ones, too.
                for _ in range(5):
                    responses.append(httpx.get(f"{client.base_url}/flightspecials").status_code)

            askers = [threading.Thread(target=ask) for _ in range(6)]
            for asker in askers:
                asker.start()
            for asker in askers:
                asker.join(30)
            eventually(lambda: relay.refused >= 2)
            assert client.get("/readyz").status_code == 200
            relay.fault = None
            assert client.get("/flightspecials").status_code == 200
    assert responses == [200] * 30


@pytest.mark.parametrize("fault", ["throttled", "hanging up"])
def test_a_start_while_aws_is_away_is_refused_in_a_sentence(
    aws: dict[str, str], fault: str
) -> None:
    with relaying(aws["AWS_ENDPOINT_URL"]) as relay:
        relay.fault = fault
        env = aws | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.server_address[1]}",
            "PROFILE": "test",
            "DATABASE_ENDPOINT": "127.0.0.1",
            "DATABASE_USERNAME": NAME,
        }
        done = command("info", env=env)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said = done.stderr.splitlines()[-1]
    assert said.startswith(
        "flightspecials: /config/flightspecials in Parameter Store cannot be read"
    )
