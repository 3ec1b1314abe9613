"""Secrets Manager throttles or is unreachable while the service runs: the last secret stays in use.

The service reaches moto's server through a proxy that can throttle, or close connections.
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
from tests.service.service_runner import command, eventually, eventually_ready, serving
from tests.service.test_service_aws import NAME, aws, moto, put_secret

__all__ = ("aws", "moto")  # fixtures

THROTTLED = b'{"__type":"ThrottlingException","message":"Rate exceeded"}'


class AwsProxy(ThreadingHTTPServer):
    """A proxy for moto. `fault`, if set, replaces the response to each request."""

    fault: str | None = None
    refused = 0
    moto = ""


class ProxiedRequest(BaseHTTPRequestHandler):
    """One request to the proxy."""

    server: AwsProxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.fault is None:
            fields = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            response = httpx.post(self.server.moto + self.path, content=body, headers=fields)
            self._response(response.status_code, response.content)
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
        """Write no log."""


@contextmanager
def aws_proxy(moto_url: str) -> Iterator[AwsProxy]:
    proxy = AwsProxy(("127.0.0.1", 0), ProxiedRequest)
    proxy.moto = moto_url
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join(10)
        proxy.server_close()


@pytest.mark.parametrize("fault", ["throttled", "hanging up"])
def test_a_running_service_is_not_affected_by_an_outage_of_aws(
    database: DatabaseSettings, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    put_secret(database.username, database.password.reveal())
    settings = Settings(
        database=replace(database, username="", password=Secret(""), secret_id=NAME)
    )
    with aws_proxy(aws["AWS_ENDPOINT_URL"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_address[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with serving(build(settings, lambda: None, poll_s=0.1)) as client:
            eventually_ready(client)
            proxy.fault = fault
            responses: list[int] = []

            def send() -> None:
                # A new connection for each request, and in parallel, so that the pool opens new ones as well.
                for _ in range(5):
                    responses.append(httpx.get(f"{client.base_url}/flightspecials").status_code)

            threads = [threading.Thread(target=send) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            eventually(lambda: proxy.refused >= 2)
            assert client.get("/readyz").status_code == 200
            proxy.fault = None
            assert client.get("/flightspecials").status_code == 200
    assert responses == [200] * 30


@pytest.mark.parametrize("fault", ["throttled", "hanging up"])
def test_a_start_during_an_outage_of_aws_fails_with_a_sentence(
    aws: dict[str, str], fault: str
) -> None:
    with aws_proxy(aws["AWS_ENDPOINT_URL"]) as proxy:
        proxy.fault = fault
        env = aws | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.server_address[1]}",
            "PROFILE": "test",
            "DATABASE_ENDPOINT": "127.0.0.1",
            "DATABASE_USERNAME": NAME,
        }
        done = command("info", env=env)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    message = done.stderr.splitlines()[-1]
    assert message.startswith(
        "flightspecials: /config/flightspecials in Parameter Store cannot be read"
    )
