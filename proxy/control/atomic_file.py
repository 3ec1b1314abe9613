"""Putting a new text in a file's place: at once or not at all, and never over a change that nobody saw."""

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from proxy.errors import EditError

_LOOK_AGAIN_S = 0.02


def pending_path(path: Path) -> Path:
    """Where the new text waits. One name: a crash leaves at most one, and the next edit clears it away."""
    return path.with_name(f".{path.name}.edit")


@contextlib.contextmanager
def replacement(path: Path, text: bytes) -> Iterator[Callable[[], None]]:
    """Write `text` beside `path`, safe on the disk; the function that is handed out puts it in place.

    Mode and owner of the file are kept. `path` is resolved: a link to it stays. What was not put in place
    is gone at the end. Raises EditError, and OSError for a disk that is full.
    """
    waiting = pending_path(path)
    with as_edit_errors(path):
        _write(waiting, text, os.stat(path))

    def commit() -> None:
        with as_edit_errors(path):
            os.replace(waiting, path)
        # The new text is in place: what is left to lose is its survival of a loss of power.
        with contextlib.suppress(OSError):
            sync_directory(path.parent)

    try:
        yield commit
    finally:
        with contextlib.suppress(FileNotFoundError):
            waiting.unlink()


def _write(waiting: Path, text: bytes, like: os.stat_result) -> None:
    with contextlib.suppress(FileNotFoundError):
        waiting.unlink()
    # O_EXCL follows no link: nobody can aim this write at another file.
    handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            keep_owner(file.fileno(), like)
            os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise


def keep_owner(handle: int, like: os.stat_result) -> None:
    """Give a new file the owner of the old one, or its group alone where more is not allowed."""
    made = os.fstat(handle)
    if (made.st_uid, made.st_gid) == (like.st_uid, like.st_gid):
        return
    try:
        os.fchown(handle, like.st_uid, like.st_gid)
    except PermissionError:
        if made.st_gid == like.st_gid:
            return
        try:
            os.fchown(handle, -1, like.st_gid)
        except PermissionError:
            raise EditError(
                "the table belongs to a user and a group that are not yours, and an edit would take it "
                "away from them: nothing was written"
            ) from None


def sync_directory(folder: Path) -> None:
    """Make a rename in `folder` survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def resolve_links(path: Path) -> Path:
    """The file that a chain of links ends at. Raises EditError for links that lead in a circle."""
    try:
        return path.resolve()
    except RuntimeError:  # Python 3.11 and 3.12; later ones find out when the file is opened.
        raise EditError(f"the links of {path} lead in a circle") from None


def check_writable(path: Path) -> None:
    """Raises EditError for a table that its owner does not want written, or that is not there."""
    if not path.is_file():
        raise EditError(f"there is no file {path}")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise EditError(_read_only(path))


@contextlib.contextmanager
def as_edit_errors(path: Path) -> Iterator[None]:
    """What keeps a file from being written, in a sentence of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise EditError(_read_only(path)) from error
        if error.errno == errno.EBUSY:
            raise EditError(
                f"{path} is a mount of its own, which nothing can be put in the place of: mount its "
                "directory instead"
            ) from error
        raise EditError(
            f"{path} cannot be written ({error.strerror}), and was not changed"
        ) from error


def _read_only(path: Path) -> str:
    if any(part.startswith("..") for part in path.parts):
        return f"{path} comes from a Kubernetes ConfigMap, which is read-only: edit the ConfigMap"
    return f"{path} or its directory is read-only for you: nothing was written"


@contextlib.contextmanager
def locked(path: Path, wait_s: float) -> Iterator[int]:
    """Hold the lock on a file, made if it is not there; yields a descriptor to read and to append.

    Raises EditError after `wait_s` seconds, OSError where the file cannot be opened.
    """
    if sys.platform == "win32":
        raise EditError("tables cannot be edited by the facade on Windows: edit the file by hand")
    deadline = time.monotonic() + wait_s
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            _lock(handle, path, deadline)
            # Whoever waited may hold the lock of a file that was taken away meanwhile.
            if _is_still(handle, path):
                yield handle
                return
        finally:
            os.close(handle)


def _is_still(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(handle: int, path: Path, deadline: float) -> None:
    import fcntl  # Not on Windows.

    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise EditError(
                    f"somebody else is editing (the lock on {path} is taken): nothing was written, "
                    "run it again"
                ) from None
            time.sleep(_LOOK_AGAIN_S)
