"""A test that fails beside others runs once more, alone. One that fails twice, or one of many, fails the suite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.second_try import LIMIT, failed_tests, refusal

ROOT = Path(__file__).parents[2]

FAILS_ONCE = """
from pathlib import Path

def test_fails_once(tmp_path_factory):
    mark = Path(__file__).with_suffix(".ran")
    had_run = mark.exists()
    mark.touch()
    assert had_run
"""
FAILS_ALWAYS = "def test_fails(): assert False\n"


def suite(folder: Path, **files: str) -> tuple[int, str]:
    """Exit status and output of both commands in a project that has only these tests."""
    (folder / "tests").mkdir()
    (folder / "tests/__init__.py").touch()
    (folder / "tests/second_try.py").write_text((ROOT / "tests/second_try.py").read_text())
    for name, text in files.items():
        (folder / f"tests/{name}.py").write_text(text)
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("PYTEST_")}
    # The plugins of this environment take seconds to import.
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    first = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--cache-clear",
        "tests",
    ]
    assert subprocess.run(
        first, cwd=folder, env=environment, capture_output=True, check=False
    ).returncode
    again = subprocess.run(
        [sys.executable, "-m", "tests.second_try"],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    return again.returncode, again.stdout + again.stderr


def test_a_test_that_passes_alone_passes_and_is_named(tmp_path: Path) -> None:
    status, output = suite(tmp_path, test_a=FAILS_ONCE, test_b="def test_b(): pass\n")
    assert status == 0, output
    assert "passed alone" in output
    assert "tests/test_a.py::test_fails_once" in output


def test_a_test_that_fails_twice_fails_the_suite(tmp_path: Path) -> None:
    status, output = suite(tmp_path, test_a=FAILS_ONCE, test_b=FAILS_ALWAYS)
    assert status == 1
    assert "passed alone" not in output


def test_a_file_that_cannot_be_read_gets_no_second_try(tmp_path: Path) -> None:
    status, output = suite(tmp_path, test_a="import no_such_module\n")
    assert status == 1
    assert "cannot read tests/test_a.py" in output


@pytest.mark.parametrize("count", [0, LIMIT + 1])
def test_no_failed_test_and_too_many_get_no_second_try(count: int) -> None:
    assert refusal([f"tests/test_a.py::test_{number}" for number in range(count)])


def test_without_a_result_no_test_is_known(tmp_path: Path) -> None:
    assert failed_tests(tmp_path / "lastfailed") == []
