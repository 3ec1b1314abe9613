"""Child processes that end with this one. Each leads a process group."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.account import Account

_TETHER = Path(__file__).with_name("tether.py")


def tethered(
    argv: Sequence[str], account: Account | None = None, last_word: int = signal.SIGKILL
) -> list[str]:
    """`argv` run as `account` that gets the signal `last_word` when this process dies.

    Linux counts the death of the *thread* that started the child: start it from one that stays.
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    how = [str(os.getpid()), str(int(last_word)), str(uid), str(gid)]
    return [sys.executable, "-I", "-S", str(_TETHER), *how, "--", *argv]


def signal_group(pid: int, number: int) -> None:
    """Send a signal to the group that `pid` leads; an empty group is no error."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
