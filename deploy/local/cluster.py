"""A PostgreSQL data directory that this process has created or found, and has locked.

Beside the directory lies `NAME.password`, 0600 and the caller's own. It is also the lock (flock:
released when this process ends, so it is never stale). The directory alone belongs to the account that runs
the server; parents are never opened to it. Where it cannot enter them (a home of mode 700), the
server reaches its data through an inherited descriptor, which Linux offers as /proc/self/fd/N.
"""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import account as accounts
from deploy.local import binaries
from deploy.local.account import Account, credentials
from deploy.local.errors import DataInUse, LocalError

SUPERUSER = "postgres"
_INITDB_S = 120.0
_ORPHAN_S = 10.0
# C and UTC: neither sorting nor timestamps depend on the machine's locale or zone.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "password_encryption": "scram-sha-256",
}


@dataclass(frozen=True)
class Lock:
    """A data directory that no other run may touch, and its superuser's password."""

    data: Path
    password_file: Path
    password: str = field(repr=False)


@dataclass(frozen=True)
class Cluster:
    """A data directory under our lock, with the binaries and the account that serve it.

    `reach` is the path for the server; `keep_fds` are the descriptors that it must inherit for that.
    """

    lock: Lock
    binaries: binaries.Binaries
    account: Account | None
    reach: str
    keep_fds: tuple[int, ...]
    fresh: bool

    def argv(self, port: int, settings: Mapping[str, str]) -> list[str]:
        """The command line of a server on 127.0.0.1:`port`; it has no secret."""
        chosen = {**_SETTINGS, **settings, "cluster_name": mark(self.lock.data), "port": str(port)}
        options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
        return [self.binaries.postgres, "-D", self.reach, *options]

    def is_ready(self, pid: int) -> bool:
        """Whether the server `pid` accepts connections, by its pid file."""
        lines = _pid_file(self.lock.data)
        if len(lines) <= 7 or lines[0] != str(pid):
            return False
        return lines[7].strip() in ("ready", "standby")


@contextmanager
def opened(
    lock: Lock, folders: Iterable[Path] | None = None, *, durable: bool = True
) -> Iterator[Cluster]:
    """Create the directory if it is missing, and stop a server that a killed run left.

    `folders` replaces the usual places of the binaries. Without `durable` a fresh directory is not
    flushed to the disk. Raises LocalError for faults that the operator has to correct.
    """
    data = lock.data
    account = accounts.choose(data)
    major = _made_by(data)
    found = binaries.find(account, major, folders)
    _end_orphan(data)
    if major is None:
        _initdb(lock, found, account, durable)
    with _reached(data, account) as (reach, fds):
        yield Cluster(lock, found, account, reach, fds, fresh=major is None)


def server_env(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for PostgreSQL: without the caller's locale, time zone and PG* variables."""
    kept = {name: environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def mark(data: Path) -> str:
    """The cluster_name of `data`'s server: on its command line, and on no other."""
    found = data.stat()
    return f"facade-{found.st_dev:x}-{found.st_ino:x}"


@contextmanager
def locked(data: Path) -> Iterator[Lock]:
    """Hold the lock of `data`; its password is created the first time.

    Raises DataInUse when another process holds it, LocalError if it is not writable.
    """
    data = data.absolute()
    path = data.with_name(f"{data.name}.password")
    try:
        data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LocalError(
            f"Cannot write {path} ({error.strerror}): set DATA_DIR to a directory of your own."
        ) from None
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataInUse(
                f"{data} is in use by another run: stop that one first, or set DATA_DIR."
            ) from None
        password = file.read().strip()
        if not password:
            if _is_filled(data):
                raise LocalError(
                    f"The password of {data} is missing from {path}: put it back, or remove both."
                )
            password = secrets.token_urlsafe(24)
            file.write(password + "\n")
            file.flush()
        yield Lock(data, path, password)


def _is_filled(data: Path) -> bool:
    """Whether `data` exists and is not an empty directory."""
    try:
        return any(data.iterdir())
    except FileNotFoundError:
        return False
    except OSError:  # a file, or a directory of another user
        return True


def _made_by(data: Path) -> int | None:
    """The major version that created `data`; None if it does not exist yet."""
    try:
        return int((data / "PG_VERSION").read_text())
    except PermissionError:
        raise LocalError(
            f"{data} belongs to another user: run as that user, or set DATA_DIR."
        ) from None
    except (OSError, ValueError):
        if _is_filled(data):
            raise LocalError(
                f"{data} is not empty and not a PostgreSQL data directory: set DATA_DIR elsewhere."
            ) from None
        return None


def _initdb(lock: Lock, found: binaries.Binaries, account: Account | None, durable: bool) -> None:
    """Create the directory under another name and rename it, so that an interrupted run leaves no partial one."""
    data = lock.data
    argv = [found.initdb, "-U", SUPERUSER, "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"]
    if not durable:
        argv.append("--no-sync")
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account is not None:
        os.chown(fresh, account.uid, account.gid)
    failure = _run_initdb(fresh, argv, account, lock.password)
    if failure is not None:
        shutil.rmtree(fresh, ignore_errors=True)
        raise LocalError(f"initdb failed: {failure}")
    fresh.rename(data)


def _run_initdb(
    data: Path, argv: Sequence[str], account: Account | None, password: str
) -> str | None:
    """Fill the empty directory `data`; returns the last output of an initdb that failed."""
    # The account may be unable to enter any folder of ours: it reads the password from an unnamed
    # file that it inherits.
    with _reached(data, account) as (reach, fds), tempfile.TemporaryFile() as secret:
        secret.write(password.encode() + b"\n")
        secret.flush()
        secret.seek(0)
        if account is not None:
            os.fchown(secret.fileno(), account.uid, account.gid)
        try:
            made = subprocess.run(
                [*argv, "-D", reach, f"--pwfile=/dev/fd/{secret.fileno()}"],
                cwd="/",
                env=server_env(os.environ),
                pass_fds=(*fds, secret.fileno()),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=_INITDB_S,
                start_new_session=True,
                **credentials(account),
            )
        except subprocess.TimeoutExpired:
            return f"it took longer than {_INITDB_S:g} s"
    return " ".join(made.stdout.split()[-40:]) if made.returncode else None


@contextmanager
def _reached(data: Path, account: Account | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The path by which the account reaches `data`, and the descriptors it must inherit for it."""
    if accounts.can_enter(account, data):
        yield str(data), ()
        return
    if not Path("/proc/self/fd").is_dir():
        raise LocalError(
            f"PostgreSQL's user cannot enter the folders above {data}: "
            "set DATA_DIR to a place it can enter, or run as an ordinary user."
        )
    held = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{held}", (held,)
    finally:
        os.close(held)


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _end_orphan(data: Path) -> None:
    """Stop a server of an earlier run; remove a pid file whose number belongs to another process.

    A reused number (a container counts from 1 again) would keep PostgreSQL from starting. A server that an
    operator has started on `data` is safe: its shared memory prevents a second one.
    """
    lines = _pid_file(data)
    if not lines or not lines[0].isdigit() or not _alive(int(lines[0])):
        return  # PostgreSQL itself clears a pid file without a process
    pid = int(lines[0])
    if mark(data) not in _command_line(pid):
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    for number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate
        os.kill(pid, number)
        deadline = time.monotonic() + _ORPHAN_S
        while time.monotonic() < deadline:
            if mark(data) not in _command_line(pid):  # an unreaped zombie has none
                return
            time.sleep(0.02)
    raise LocalError(f"A PostgreSQL of an earlier run does not stop: end process {pid}.")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command_line(pid: int) -> str:
    """The words of the process `pid`; empty when it is gone."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            return ""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return listed.stdout
