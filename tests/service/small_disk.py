"""PostgreSQL with a tablespace on a disk of a few MB that only its own process can see.

Run as `python -m tests.service.small_disk FOLDER` by the command of `namespace`: in a user namespace,
where an unprivileged user may mount, and in a second one inside it, where the user is not root, as
PostgreSQL refuses to run as root.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import postgres
from tests.service.service_runner import ROOT

SIZE_MB = 32
_MOUNT = f'mount -t tmpfs -o size={SIZE_MB}m,mode=0700 small "$0" && exec "$@"'
_NOBODY = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


def namespace(folder: Path, *command: str) -> list[str]:
    """`command` in a namespace in which `folder` is the small disk."""
    outer = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, str(folder)]
    return [*outer, *_NOBODY, *command]


def why_not(folder: Path) -> str:
    """Why this user cannot mount a small disk here; empty if it can."""
    try:
        done = subprocess.run(
            namespace(folder, "true"), capture_output=True, text=True, timeout=10, check=False
        )
    except FileNotFoundError as error:
        return str(error)
    return done.stderr.strip() or f"status {done.returncode}" if done.returncode else ""


@contextmanager
def running(folder: Path) -> Iterator[postgres.Endpoint]:
    """A server for the duration of the block. `FOLDER/disk` is the small disk."""
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
            line = server.stdout.readline()
            assert line, "the server did not start"
            yield postgres.Endpoint(**json.loads(line))
        finally:
            server.communicate(timeout=30)  # the process exits at the end of its input


def main(data: Path) -> None:
    """Run the server until the end of the input."""
    fast = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
    with postgres.running(data, settings=fast) as endpoint:
        fields = {name: getattr(endpoint, name) for name in ("host", "port", "user", "password")}
        print(json.dumps(fields), flush=True)
        os.read(0, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
