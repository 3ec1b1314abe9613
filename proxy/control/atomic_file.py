"""Replacing a file atomically and durably, and locking one. Errors are EditErrors with a sentence."""

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from proxy.errors import EditError

_LOCK_POLL_S = 0.02


def pending_path(path: Path) -> Path:
    """The pending file, which has the new text. Its name is fixed, so the next edit removes one that a crash left."""
    return path.with_name(f".{path.name}.edit")


@contextlib.contextmanager
def replacement(path: Path, text: bytes) -> Iterator[Callable[[], None]]:
    """Write `text` to a pending file and sync it; yields a function that replaces `path` with it.

    The new file has mode and owner of the old one. `path` has no links: a link to it stays. The pending file is
    removed at the end of the block. Raises EditError.
    """
    pending = pending_path(path)
    with as_edit_errors(path):
        _write(pending, text, os.stat(path))

    def commit() -> None:
        with as_edit_errors(path):
            os.replace(pending, path)
        # If this fails, the new text is in effect, but a power failure could undo the rename.
        with contextlib.suppress(OSError):
            sync_directory(path.parent)

    try:
        yield commit
    finally:
        with contextlib.suppress(FileNotFoundError):
            pending.unlink()


def _write(pending: Path, text: bytes, old: os.stat_result) -> None:
    with contextlib.suppress(FileNotFoundError):
        pending.unlink()
    # O_EXCL does not follow links, so a planted link cannot redirect this write.
    handle = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            keep_owner(file.fileno(), old)
            os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        pending.unlink(missing_ok=True)
        raise


def keep_owner(handle: int, old: os.stat_result) -> None:
    """Give a new file the owner and group of the old one. Only the group if the owner is not permitted."""
    new = os.fstat(handle)
    if (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid):
        return
    try:
        os.fchown(handle, old.st_uid, old.st_gid)
    except PermissionError:
        if new.st_gid == old.st_gid:
            return
        try:
            os.fchown(handle, -1, old.st_gid)
        except PermissionError:
            raise EditError(
                "the table belongs to a user and a group that are not yours, and an edit would take it "
                "away from them: nothing was written"
            ) from None


def sync_directory(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def resolve_links(path: Path) -> Path:
    """`path` without links. Raises EditError for links that form a circle."""
    try:
        return path.resolve()
    except RuntimeError:  # Python 3.11 and 3.12; later versions fail when the file is opened.
        raise EditError(f"the links of {path} lead in a circle") from None


def check_writable(path: Path) -> None:
    """Raises EditError for a table that is missing or read-only."""
    if not path.is_file():
        raise EditError(f"there is no file {path}")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise EditError(_read_only(path))


@contextlib.contextmanager
def as_edit_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into an EditError with a sentence."""
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
    """Lock a file, which is created if it is missing. Yields a descriptor to read and to append.

    Raises EditError after `wait_s` seconds, OSError if the file cannot be opened.
    """
    if sys.platform == "win32":
        raise EditError("tables cannot be edited by the facade on Windows: edit the file by hand")
    deadline = time.monotonic() + wait_s
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            _lock(handle, path, deadline)
            # While this process waited, the file may have been replaced: then it holds the lock of the old file.
            if _is_current(handle, path):
                yield handle
                return
        finally:
            os.close(handle)


def _is_current(handle: int, path: Path) -> bool:
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
            time.sleep(_LOCK_POLL_S)
