"""One runner for each route: the kernel holds the lock as long as the process lives, so no crash leaves one behind."""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from proxy.control.atomic_file import as_edit_errors
from proxy.errors import EditError

_MAX_BYTES = 4096


class Holder(Struct, frozen=True):
    """Who runs a rollout."""

    host: str
    process: int


@contextlib.contextmanager
def only_runner(table: Path, route: str) -> Iterator[None]:
    """Hold the lock inside the block. `table` has no links. Raises EditError that names who holds it."""
    if sys.platform == "win32":
        raise EditError("rollouts cannot be run on Windows")
    import fcntl  # Not on Windows.

    path = table.with_name(f".{table.name}.rollout-{route}.lock")
    with as_edit_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EditError(f"the rollout of {route} is run by {_holder(handle)}") from None
        # On a full disk the lock holds without a name in it.
        with contextlib.suppress(OSError):
            text = msgspec.json.encode(Holder(socket.gethostname(), os.getpid()))
            os.ftruncate(handle, 0)
            os.pwrite(handle, text, 0)
        # The file stays: a runner that waits for the lock of a file that is gone would not see this one.
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    try:
        holder = msgspec.json.decode(os.pread(handle, _MAX_BYTES, 0), type=Holder)
    except (OSError, msgspec.DecodeError):
        return "another process"
    return f"process {holder.process} on {holder.host}"
