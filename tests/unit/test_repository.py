"""What is kept in the repository: what README's layout names, written by hand. A package once slipped in with 18 MB."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = {
    "proxy",
    "flightspecial_service",
    "deploy",
    "tests",
    "routes.yaml",
    "compose.yaml",
    "pyproject.toml",
}
BESIDE = {"docs", "Makefile", "LICENSE", ".ci", ".dockerignore", ".gitignore"}
MOST_BYTES = 512 * 1024


def kept() -> list[Path]:
    # A checkout may be another user's, as in CI.
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    names = subprocess.run(git, cwd=ROOT, check=True, capture_output=True, timeout=20).stdout
    return [Path(name) for name in names.decode().split("\0") if name]


def test_the_top_level_holds_the_parts_and_what_tools_need() -> None:
    top = {path.parts[0] for path in kept()}
    assert top >= PARTS
    others = top - PARTS - BESIDE
    assert [name for name in sorted(others) if not name.endswith((".md", ".lock"))] == []


def test_no_file_is_a_package_or_a_recording() -> None:
    large = {
        str(path): size for path in kept() if (size := (ROOT / path).stat().st_size) > MOST_BYTES
    }
    assert large == {}


def test_no_module_has_the_name_of_a_package_beside_it() -> None:
    """Python would import the package, and the module would be dead code."""
    paths = kept()
    packages = {folder for path in paths for folder in path.parents}
    modules = {path.with_suffix("") for path in paths if path.suffix == ".py"}
    assert modules & packages == set()


def test_tests_start_a_facade_through_their_support_alone() -> None:
    starts = re.compile(r'"-m",\s*"proxy",\s*"serve"|from proxy\.server\.serve import .*\bserve\b')
    files = [path for path in kept() if path.parts[0] == "tests" and path.suffix == ".py"]
    starters = {path.name for path in files if starts.search((ROOT / path).read_text())}
    assert starters == {"facade_in_loop.py", "facade_process.py"}


def test_what_is_installed_from_a_lock_is_the_lock_and_nothing_pip_found() -> None:
    makefile = (ROOT / "Makefile").read_text()
    hashed = [line for line in makefile.splitlines() if "--require-hashes" in line]
    assert hashed
    assert [line for line in hashed if "--no-deps" not in line] == []
