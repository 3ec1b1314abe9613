"""Promise P3: a facade that runs out of descriptors stays alive, burns no CPU, and recovers by itself."""

import contextlib
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

from proxy.server.settings import Address
from tests.support.facade_process import FacadeProcess, facade_process
from tests.support.waiting import until

TABLE = """
version: 1
backends: {nobody: "http://127.0.0.1:1"}
routes:
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: hello}}
  - {name: rest, backend_refs: nobody}
"""
_LIMIT = 128
_CONNECTIONS = 400


def _ask(address: Address, timeout_s: float = 5.0) -> int:
    """The status of a request on a connection of its own, 0 where there was no response."""
    try:
        with urllib.request.urlopen(f"http://{address}/hello", timeout=timeout_s) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _settled(facade: FacadeProcess) -> int:
    """Its descriptors, once half a second has brought no other: a watcher may come up late."""
    last, since = facade.descriptors, time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.05)
        if facade.descriptors != last:
            last, since = facade.descriptors, time.monotonic()
    return last


def _opened(held: contextlib.ExitStack, facade: FacadeProcess) -> list[socket.socket]:
    """As many connections as the kernel gives us, none of which ever asks."""
    found = []
    for _ in range(_CONNECTIONS):
        sock = held.enter_context(socket.socket())
        sock.setblocking(False)
        sock.connect_ex((facade.listen.host, facade.listen.port))
        found.append(sock)
    return found


def test_out_of_descriptors_it_lives_on_and_recovers(tmp_path: Path, tier: str) -> None:
    with facade_process(tmp_path, "--tier", tier, table=TABLE, max_descriptors=_LIMIT) as facade:
        assert _ask(facade.listen) == 200
        before = _settled(facade)
        with contextlib.ExitStack() as held:
            _opened(held, facade)
            assert _ask(facade.listen, 1.0) in (0, 503)
            assert facade.descriptors <= _LIMIT
            began, used = time.monotonic(), facade.cpu_s
            time.sleep(1.5)  # What is measured: the CPU time of doing nothing.
            busy = (facade.cpu_s - used) / (time.monotonic() - began)
            assert busy < 0.5, f"{busy:.0%} of a core while nothing can be done"
            assert facade.popen.poll() is None
        until(lambda: _ask(facade.listen, 1.0) == 200, within_s=20)
        until(lambda: facade.descriptors <= before + 1, within_s=20)
