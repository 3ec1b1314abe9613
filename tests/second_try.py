"""Runs a few failed tests once more, alone: `python -m tests.second_try` after a run of pytest with `--cache-clear`.

Four processes of tests share the machine, each with servers and clients of its own. A test may miss a deadline there
and hold alone. Both results are printed, so that a race stays visible. More than `LIMIT` failures are no accident.

Exit status: 0 if each test passes alone, 1 otherwise.
"""

import json
import subprocess
import sys
from pathlib import Path

LIMIT = 5
_LAST_FAILED = Path(__file__).parents[1] / ".pytest_cache/v/cache/lastfailed"


def failed_tests(last_failed: Path = _LAST_FAILED) -> list[str]:
    """The failed tests of the last run, as pytest names them. Empty if pytest ended before it had a result."""
    try:
        return sorted(json.loads(last_failed.read_text()))
    except FileNotFoundError:
        return []


def refusal(failed: list[str]) -> str | None:
    """Why there is no second try. `None` if there is one."""
    if not failed:
        return "pytest failed without a failed test."
    if len(failed) > LIMIT:
        return f"{len(failed)} tests failed. At most {LIMIT} get a second try."
    if broken := [name for name in failed if "::" not in name]:
        return f"pytest cannot read {', '.join(broken)}."
    return None


def second_try() -> int:
    """Run the failed tests alone, in this process's terminal."""
    failed = failed_tests()
    if why := refusal(failed):
        print(why, file=sys.stderr)
        return 1
    print(f"\n{len(failed)} failed beside other tests. They run once more, alone.", flush=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *failed]
    if subprocess.run(command, check=False).returncode:
        return 1
    print("Failed beside other tests, passed alone. Look for a race or a short deadline in:")
    print(*(f"  {name}" for name in failed), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(second_try())
