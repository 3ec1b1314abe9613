"""Clients of the system: readers with a user of their own, and one writer that remembers what was acknowledged."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

LIST = "/travelbuddy/flightspecials"
_READERS = 6
_PAUSE_S = 0.01
_TIMEOUT_S = 10.0


class Counts:
    """What the clients have seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.failed: list[str] = []
        self.written: dict[int, str] = {}
        """By special, the last header text of which the write was acknowledged."""
        self.writes = 0

    @property
    def failures(self) -> str:
        """Each kind of failure with its number."""
        with self._lock:
            kinds = Counter(self.failed)
        return ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))

    def count(self, failure: str = "") -> None:
        with self._lock:
            self.requests += 1
            if failure:
                self.failed.append(failure)


class Traffic:
    """Requests to the facade, until the block ends. Writes begin with `write_to`."""

    def __init__(self, port: int) -> None:
        self.counts = Counts()
        self._port = port
        self._stop = threading.Event()
        self._specials: tuple[int, ...] = ()

    def write_to(self, specials: tuple[int, ...]) -> None:
        """From now on, the writer changes the header texts of these specials."""
        self._specials = specials

    def stop(self) -> None:
        self._stop.set()

    def read(self, user: int) -> None:
        """One reader."""
        headers = {"cookie": f"user=u{user}"}
        while not self._stop.wait(_PAUSE_S):
            status, body = self._request("GET", LIST, headers, b"")
            self.counts.count("" if status == 200 and body.startswith(b"[") else f"GET {status}")

    def write(self) -> None:
        """The writer."""
        number = 0
        while not self._stop.wait(20 * _PAUSE_S):
            for special in self._specials:
                number += 1
                text = f"story {number}"
                body = json.dumps({"id": special, "flightSpecialHeader": text}).encode()
                headers = {"content-type": "application/json"}
                status, _ = self._request(
                    "POST", f"/flightspecials/{special}/header", headers, body
                )
                self.counts.count("" if status < 400 else f"POST {status}")
                if status < 400:
                    self.counts.written[special] = text
                    self.counts.writes += 1

    def _request(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Status and body; 0 without a response."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


@contextmanager
def running(port: int) -> Iterator[Traffic]:
    """The traffic, in threads."""
    traffic = Traffic(port)
    threads = [threading.Thread(target=traffic.read, args=(user,)) for user in range(_READERS)]
    threads.append(threading.Thread(target=traffic.write))
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        traffic.stop()
        for thread in threads:
            thread.join(2 * _TIMEOUT_S)
