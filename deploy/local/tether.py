"""Run a command that dies with the supervisor: `tether.py PARENT SIGNAL UID GID -- ARGV...`.

A supervisor that is killed with -9 cannot stop its children. On Linux the kernel does it:
PR_SET_PDEATHSIG, set here, survives the exec into the command. The kernel resets it when the
user changes, so root is dropped here first, and not by `subprocess`. The file is run by its path, with
`python -I -S`; it imports no own module. Elsewhere the command runs without the tether, and the
next start stops the remaining processes (see `cluster`).
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Become the command; `UID` -1 keeps the caller's user."""
    parent, signal_number, uid, gid = map(int, argv[:4])
    command = argv[5:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            sys.exit(1)
    os.execvpe(command[0], command, os.environ)


if __name__ == "__main__":
    main(sys.argv[1:])
