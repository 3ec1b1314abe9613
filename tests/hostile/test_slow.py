"""Promise C3: slow heads, slow bodies and slow readers are all closed on time, and do not hold others up.

The short version opens a hundred raw connections of each kind; the long one is `slowhttptest` with a thousand.
"""

import contextlib
import selectors
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.origin import Origin
from tests.support.facade_process import FacadeProcess, facade_process

_LIMIT_S = 2.0
# A deadline is kept to two sweeps of half a second; the rest is for a busy machine.
_LATE_S = 2.5
TABLE = """
version: 1
listener: {{head_timeout: 2s, idle_timeout: 2s, max_connections: 4000, max_connections_per_client: 4000}}
defaults: {{timeouts: {{body_idle: 2s, stream_idle: 2s}}}}
backends: {{origin: {{url: "http://127.0.0.1:{port}", circuit_breakers: {{max_connections: 2000}}}}}}
routes:
  - {{name: hello, match: {{path: {{exact: /hello}}}}, direct_response: {{status: 200, body: hello}}}}
  - {{name: rest, backend_refs: origin}}
"""
_KINDS = {
    "head": (b"GET / HTTP/1.1\r\nHost: h\r\n", b"x: y\r\n"),
    "body": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", b""),
    "idle": (b"", b""),
}
_CONNECTIONS = 100


@pytest.fixture(scope="module")
def process(tier: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FacadeProcess]:
    origin = Origin()
    origin.start()
    folder: Path = tmp_path_factory.mktemp(tier)
    table = TABLE.format(port=origin.port)
    try:
        with facade_process(folder, "--tier", tier, table=table) as facade:
            yield facade
    finally:
        origin.stop()


class Probe:
    """Asks the facade again and again while something else goes on."""

    def __init__(self, facade: FacadeProcess) -> None:
        self._url = f"http://{facade.listen}/hello"
        self._over = threading.Event()
        self.waits_s: list[float] = []
        self.failed: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(self._url, timeout=5) as response:
                    response.read()
            except OSError as error:
                self.failed.append(str(error))
            self.waits_s.append(time.monotonic() - began)

    @property
    def p99_ms(self) -> float:
        return sorted(self.waits_s)[len(self.waits_s) * 99 // 100] * 1000


def _opened(held: contextlib.ExitStack, facade: FacadeProcess, sent: bytes) -> list[socket.socket]:
    found = []
    for _ in range(_CONNECTIONS):
        sock = socket.create_connection((facade.listen.host, facade.listen.port), 5)
        held.callback(sock.close)
        sock.sendall(sent)
        sock.setblocking(False)
        found.append(sock)
    return found


def _closed_after(found: list[socket.socket], drip: bytes, within_s: float) -> list[float]:
    """Seconds until each connection was closed, while a drip goes to each that is open."""
    began = time.monotonic()
    took: list[float] = []
    with selectors.DefaultSelector() as selector:
        for sock in found:
            selector.register(sock, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() - began < within_s:
            for key, _ in selector.select(0.2):
                sock = found[found.index(key.fileobj)]  # type: ignore[arg-type]
                if _over(sock):
                    selector.unregister(sock)
                    took.append(time.monotonic() - began)
            for key in tuple(selector.get_map().values()):
                with contextlib.suppress(OSError):
                    found[found.index(key.fileobj)].send(drip)  # type: ignore[arg-type]
    return took


def _over(sock: socket.socket) -> bool:
    try:
        return not sock.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize(("sent", "drip"), _KINDS.values(), ids=_KINDS.keys())
def test_a_hundred_slow_connections_are_all_closed_on_time(
    process: FacadeProcess, sent: bytes, drip: bytes
) -> None:
    with contextlib.ExitStack() as held, Probe(process) as probe:
        found = _opened(held, process, sent)
        took = _closed_after(found, drip, _LIMIT_S + _LATE_S)
    assert len(took) == _CONNECTIONS
    assert not probe.failed
    assert probe.waits_s


_ATTACKS = {
    "slow heads": ["-H", "-i", "1"],
    "slow bodies": ["-B", "-i", "1", "-s", "8192"],
    "slow readers": ["-X", "-n", "1", "-z", "32", "-w", "512", "-y", "1024", "-k", "3"],
}


@pytest.mark.soak
@pytest.mark.parametrize("attack", _ATTACKS.values(), ids=_ATTACKS.keys())
def test_slowhttptest_with_a_thousand_connections(
    process: FacadeProcess, attack: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tool = shutil.which("slowhttptest")
    assert tool is not None, "install slowhttptest (Debian has it)"
    url = f"http://{process.listen}/"
    argv = [tool, *attack, "-c", "1000", "-r", "500", "-l", "20", "-p", "3", "-u", url]
    before = process.descriptors
    with Probe(process) as probe:
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=90)
        deadline = time.monotonic() + _LIMIT_S + _LATE_S
        while process.descriptors > before + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        left = process.descriptors - before
    with capsys.disabled():
        print(f"\n{' '.join(attack)}: probe p99 {probe.p99_ms:.0f} ms, {len(probe.failed)} failed")
    assert left <= 2
    assert not probe.failed
