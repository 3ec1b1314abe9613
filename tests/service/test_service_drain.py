"""A replica stops under load, behind a load balancer that uses readiness only."""

import signal
import threading

import httpx
import pytest

from flightspecial_service.settings import DatabaseSettings
from tests.service.service_runner import (
    DEADLINE_S,
    eventually,
    eventually_ready,
    process,
    variables,
)
from tests.service.test_service_api import is_problem

POLL_S = 0.1
FALL = 3
"""Consecutive probes that have to fail before the balancer removes a replica."""


class Balancer:
    """Probes each replica, and sends requests to those that are ready, until it is stopped.

    Two workers reuse connections, two open one for each request. `Connection: close` is counted,
    but does not affect the choice of a replica.
    """

    def __init__(self, urls: list[str]) -> None:
        self.ready = list(urls)
        self.responses = 0
        self.close_responses = 0
        self.failed: list[str] = []
        self._end = threading.Event()
        self._threads = [
            *(threading.Thread(target=self._probe, args=(url,)) for url in urls),
            *(threading.Thread(target=self._work, args=(keep,)) for keep in (True, True)),
            *(threading.Thread(target=self._work, args=(keep,)) for keep in (False, False)),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after the responses to all requests."""
        self._end.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def _probe(self, url: str) -> None:
        failures = 0
        with httpx.Client(base_url=url, timeout=DEADLINE_S) as client:
            while failures < FALL and not self._end.wait(POLL_S):
                failures = 0 if ready(client) else failures + 1
        if failures:
            self.ready.remove(url)

    def _work(self, keep: bool) -> None:
        number = 0
        with httpx.Client(timeout=DEADLINE_S) as kept:
            while not self._end.is_set():
                number += 1
                url = f"{self.ready[number % len(self.ready)]}/flightspecials/1"
                body = {"cost": number % 1000 + 1}
                try:
                    response = kept.patch(url, json=body) if keep else httpx.patch(url, json=body)
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    continue
                self.responses += 1
                self.close_responses += response.headers.get("connection") == "close"
                if response.status_code != 200:
                    self.failed.append(response.text)


def ready(client: httpx.Client) -> bool:
    """The result of a probe: a replica that cannot be reached is not ready."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def test_readiness_goes_first_then_new_connections_and_no_request_fails(
    database: DatabaseSettings,
) -> None:
    env = variables(database, DRAIN_S="3")
    with process(env) as (leaving, one), process(env) as (_, other):
        for client in (one, other):
            eventually_ready(client)
        urls = [str(each.base_url).rstrip("/") for each in (one, other)]
        balancer = Balancer(urls)
        try:
            eventually(lambda: balancer.responses > 100)
            leaving.popen.send_signal(signal.SIGTERM)
            leaving.wait_for("draining")
            is_problem(httpx.get(f"{urls[0]}/readyz"), 503)
            eventually(lambda: balancer.ready == urls[1:])
            # Removed by the balancer, and new connections are still served.
            assert httpx.get(f"{urls[0]}/flightspecials").status_code == 200
            assert leaving.exit_status() == 0
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{urls[0]}/flightspecials")
            reached = balancer.responses
            eventually(lambda: balancer.responses > reached + 20)
        finally:
            balancer.stop()
    assert balancer.failed == []
    assert balancer.close_responses > 0
