"""PostgreSQL with a tablespace on a disk of a few MB, which only its own process can see.

Run as `python -m tests.service.small_disk FOLDER` within `NAMESPACE`: a user namespace, in which
an ordinary user may mount, and within that another one, in which it is not root any more, as
PostgreSQL refuses root.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import postgres
from tests.service.running import ROOT

SIZE_MB = 32
_MOUNT = f'mount -t tmpfs -o size={SIZE_MB}m,mode=0700 small "$0" && exec "$@"'
_NOBODY = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


def namespace(folder: Path, *command: str) -> list[str]:
    """`command`, for which `folder` is the small disk."""
    outer = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, str(folder)]
    return [*outer, *_NOBODY, *command]


def why_not(folder: Path) -> str:
    """Why this user cannot have a small disk here; empty if it can."""
    try:
        done = subprocess.run(
            namespace(folder, "true"), capture_output=True, text=True, timeout=10, check=False
        )
    except FileNotFoundError as error:
        return str(error)
    return done.stderr.strip() or f"status {done.returncode}" if done.returncode else ""


@contextmanager
def running(folder: Path) -> Iterator[postgres.Endpoint]:
    """The server for as long as the block lasts; its tablespace `small` is on the small disk."""
    disk = folder / "disk"
    disk.mkdir()
    command = namespace(
        disk, sys.executable, "-m", "tests.service.small_disk", str(folder / "data")
    )
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            told = server.stdout.readline()
            assert told, "the server did not start"
            yield postgres.Endpoint(**json.loads(told))
        finally:
            server.communicate(timeout=30)  # the end of its input ends it


def main(data: Path) -> None:
    """Serve until the input ends."""
    fast = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
    with postgres.running(data, settings=fast) as endpoint:
        fields = {name: getattr(endpoint, name) for name in ("host", "port", "user", "password")}
        print(json.dumps(fields), flush=True)
        os.read(0, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
