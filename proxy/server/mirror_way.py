"""What workers, the mirror process and the process that starts it have in common: sockets and memory."""

import os
import socket
import sys
import tempfile

from msgspec import Struct

from proxy.mirroring.outlet import socket_pair
from proxy.model import Endpoint
from proxy.telemetry.shared_memory import SharedMirror, mirror_bytes


class MirrorWay(Struct, frozen=True):
    """Created before any other process. The sockets outlive each of them: what is in them waits for its successor."""

    memory: int
    """The descriptor of the memory of `shared`."""
    shared: SharedMirror
    of_workers: list[socket.socket]
    of_mirror: list[socket.socket]
    """The other ends."""

    @staticmethod
    def create(workers: int) -> "MirrorWay | None":
        """None where a process cannot pass sockets on (Windows): workers make their copies themselves then."""
        if sys.platform == "win32":
            return None
        memory = _file(mirror_bytes())
        pairs = [socket_pair() for _ in range(workers)]
        return MirrorWay(
            memory, SharedMirror(memory), [one for one, _ in pairs], [other for _, other in pairs]
        )


class MirrorPlan(Struct, frozen=True):
    """What the mirror process gets when it starts. Files and sockets are descriptors that it inherits."""

    routes: str
    backends: dict[str, Endpoint]
    memory: int
    ends: list[int]


def _file(size: int) -> int:
    """A file without a name, of zeros."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("facade-mirror", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    os.ftruncate(file, size)
    return file
