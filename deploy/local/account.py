"""The account that PostgreSQL runs as. It refuses root, so for root an existing account is used."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from deploy.local.errors import LocalError

# Debian's package creates `postgres`; every Unix has `nobody`. No account is ever created here.
_LENT = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An unprivileged user that root runs PostgreSQL as."""

    uid: int
    gid: int


class Credentials(TypedDict, total=False):
    """The arguments of `subprocess` that drop root; empty to keep the user."""

    user: int
    group: int
    extra_groups: list[int]


def choose(data: Path) -> Account | None:
    """The account that runs the server on `data`: None, the caller, unless the caller is root.

    An existing data directory keeps its owner. Raises LocalError if there is no account for root to use.
    """
    if os.geteuid() != 0:
        return None
    if data.is_dir() and data.stat().st_uid != 0:
        owner = data.stat()
        return Account(owner.st_uid, owner.st_gid)
    for name in _LENT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    raise LocalError(
        "PostgreSQL does not run as root and this machine has no user `postgres` or `nobody`: "
        "run `make up` as an ordinary user."
    )


def credentials(account: Account | None) -> Credentials:
    """Arguments for `subprocess` that run a command as `account`."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def can_enter(account: Account | None, folder: Path) -> bool:
    """Whether `account` may enter `folder`, by a check of the kernel, which knows ACLs."""
    if account is None:
        return True  # the caller itself: its command reports the error
    tried = subprocess.run(
        ["/bin/sh", "-c", 'cd -- "$0"', str(folder)],
        cwd="/",
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=10,
        **credentials(account),
    )
    return tried.returncode == 0
