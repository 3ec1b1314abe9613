"""Each part restarted, replaced and killed while requests go through the facade, and what may fail meanwhile.

What is promised, and checked:

- A request to a part that is not disturbed never fails, as long as the facade itself runs.
- A request to a disturbed part gets a 200, or a 502, 503 or 504 with problem+json. Both lists have an empty body
  instead: from the facade (`errors` in routes.yaml), and from the service without its database. Only the kill of a part
  may truncate its responses.
- While the only facade restarts, connections are refused or closed before a response begins. It finishes the requests
  that it has accepted: no response is truncated, and none is an error.
- Afterwards every request gets a 200 again.
"""

import socket
import threading
from collections.abc import Callable

from tests.compose.load import CUT, UNANSWERED, Load, Tally, as_text, faults
from tests.compose.shell import StepFailed, surely
from tests.compose.stack import HOTELS, LIST, PARTS, Stack, wait

_PATHS = {"list": LIST, "hotels": HOTELS}
_GONE = frozenset({"502", "503", "504"})
_FIRST, _AFTERWARDS = 30, 60

ALLOWED: dict[str, dict[str, frozenset[str]]] = {
    "app": {"list": _GONE},
    "travelbuddy": {"hotels": _GONE},
    "db": {"list": frozenset({"503"})},
    "facade": {"list": frozenset({UNANSWERED}), "hotels": frozenset({UNANSWERED})},
}


def restart(stack: Stack, part: str) -> str:
    """`docker compose restart PART`."""
    return _disturbed(stack, part, lambda: _restart(stack, part), ALLOWED[part])


def replace(stack: Stack, part: str) -> str:
    """A new container in the place of the old one, which may have another address."""
    words = ("up", "--detach", "--no-deps", "--force-recreate", part)
    return _disturbed(stack, part, lambda: stack.compose(*words), ALLOWED[part])


def kill(stack: Stack, part: str) -> str:
    """kill -9 of all that runs in the container; the restart policy brings it back."""
    before = stack.state(part)["RestartCount"]

    def killed() -> None:
        user = ("--user", "postgres") if part == "db" else ()
        words = ("exec", "-T", *user, part, "sh", "-c", "kill -9 -1")
        stack.compose(*words, may_fail=True)
        wait(lambda: stack.state(part)["RestartCount"] > before, f"{part} did not come back")

    may_be_cut = {name: kinds | {CUT} for name, kinds in ALLOWED[part].items()}
    return _disturbed(stack, part, killed, may_be_cut)


def _restart(stack: Stack, part: str) -> None:
    stack.compose("restart", part)


def _disturbed(
    stack: Stack, part: str, disturb: Callable[[], object], allowed: dict[str, frozenset[str]]
) -> str:
    with Load(stack.facade, _PATHS) as load:
        _surely_clean(load.take(_FIRST), {}, "before")
        disturb()
        stack.wait_healthy((part,))
        wait(lambda: _all_respond(stack), f"not every path has a response again after {part}")
        during = load.take()
        _surely_clean(during, allowed, "meanwhile")
        _surely_clean(load.take(_AFTERWARDS), {}, "afterwards")
    return as_text(during)


def _all_respond(stack: Stack) -> bool:
    return all(stack.get(path).status_code == 200 for path in _PATHS.values())


def _surely_clean(tally: Tally, allowed: dict[str, frozenset[str]], when: str) -> None:
    found = faults(tally, allowed)
    surely(not found, f"{when}: {'; '.join(found)}")


def request_over_restart(stack: Stack, header: str) -> str:
    """A write whose body is half sent when the facade is stopped is carried out, and gets its response."""
    body = b'{"id": 1, "flightSpecialHeader": "%s"}' % header.encode()
    head = (
        "POST /flightspecials/1/header HTTP/1.1\r\nhost: localhost\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n"
    )
    restarting = threading.Thread(target=_restart, args=(stack, "facade"), daemon=True)
    address = ("127.0.0.1", int(stack.ports["FACADE_PORT"]))
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(head.encode())
        taken = connection.recv(1000)
        surely(taken.startswith(b"HTTP/1.1 100"), f"no 100 Continue, but {taken!r}")
        connection.sendall(body[:10])
        restarting.start()
        wait(lambda: not _accepts(address), "the facade goes on accepting after SIGTERM")
        connection.sendall(body[10:])
        response = _all_of(connection)
    restarting.join(60)
    stack.wait_healthy(PARTS)
    surely(response.startswith(b"HTTP/1.1 200"), f"the response began with {response[:200]!r}")
    return "sent after SIGTERM, status 200"


def _accepts(address: tuple[str, int]) -> bool:
    """Whether a request on a new connection gets a response. The engine's own proxy accepts every connection."""
    try:
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(b"GET /flightspecials HTTP/1.1\r\nhost: a\r\n\r\n")
            return bool(connection.recv(1))
    except OSError:
        return False


def _all_of(connection: socket.socket) -> bytes:
    """Everything until the facade closes the connection, which it does while it stops."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except OSError as error:
        raise StepFailed(f"the connection ended with {error} after {received[:200]!r}") from None
    return received
