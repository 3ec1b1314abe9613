"""A streaming standby of a PostgreSQL of the tests."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import account, binaries, postgres
from deploy.local.cluster import server_env


@contextmanager
def standby(
    data: Path, primary: postgres.Endpoint, primary_data: Path
) -> Iterator[postgres.Endpoint]:
    """Copy `primary` to `data`, and serve that as a standby for the duration of the block."""
    runs_as = account.choose(primary_data)
    folder = binaries.find(runs_as, int((primary_data / "PG_VERSION").read_text()), None).folder
    copy = data.with_name("copy")
    address = (
        f"host={primary.host} port={primary.port} user={primary.user}"
        f" password={primary.password} sslmode=disable"
    )
    subprocess.run(
        [folder / "pg_basebackup", "-D", copy, "-d", address, "-R", "--checkpoint=fast"],
        env=server_env(os.environ),
        check=True,
        timeout=60,
    )
    copy.rename(data)
    data.chmod(0o700)
    if runs_as is not None:
        for path in (data, *data.rglob("*")):
            os.chown(path, runs_as.uid, runs_as.gid)
    shutil.copy(primary_data.with_name(f"{primary_data.name}.password"), f"{data}.password")
    with postgres.running(data) as endpoint:
        yield endpoint
