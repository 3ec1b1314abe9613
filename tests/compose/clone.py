"""A clean clone of this repository, as somebody else would have it."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.compose.shell import run

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def clean_clone(*, uncommitted: bool) -> Iterator[Path]:
    """A folder with the last commit; with `uncommitted`, with the files as they are now. Removed at the end."""
    with tempfile.TemporaryDirectory(prefix="compose-test-", ignore_cleanup_errors=True) as made:
        # The container's user has to get to routes.yaml, and a temporary folder is its owner's alone.
        Path(made).chmod(0o755)
        folder = Path(made) / "clone"
        run(["git", "clone", "--quiet", str(ROOT), str(folder)])
        if uncommitted:
            _copy_working_files(folder)
        _only_for_its_owner(folder)
        yield folder


def _only_for_its_owner(folder: Path) -> None:
    """As with umask 077, which images must not depend on. Folder and table stay readable: they are mounted."""
    for path in folder.rglob("*"):
        if ".git" not in path.parts and path.name != "routes.yaml":
            path.chmod(path.stat().st_mode & 0o700)


def _copy_working_files(folder: Path) -> None:
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        else:
            target.unlink(missing_ok=True)
