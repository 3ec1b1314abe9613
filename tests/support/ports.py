"""Ports of the loopback."""

import contextlib
import random
import socket
from collections.abc import Iterator


def free_port() -> int:
    """A port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quiet_ports(count: int) -> list[int]:
    """Ports on which no process listens, no two the same. They stay free until a process asks for one by its number:
    they are below those from which Linux takes one for port 0, or for a connection (`ip_local_port_range`).
    """
    found: list[int] = []
    for port in random.sample(range(15_000, 32_000), 200):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            break
    return found


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port where a connection attempt neither succeeds nor fails."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])
