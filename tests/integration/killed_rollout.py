"""Runs a rollout that is killed (SIGKILL) at each of its steps, then once more to its end. Not a test: a program.

    python -m tests.integration.killed_rollout FOLDER STRIDE

Each run gets a copy of FOLDER/template as FOLDER/0, FOLDER/1 and so on, until one comes to its end without a kill.
Only every STRIDE-th step is tried. It prints the number of runs that were killed.
"""

import os
import shutil
import sys
from pathlib import Path

# Imported before the forks, which would import them each time.
import proxy.control.edits.parsed_table
import proxy.control.rollout.runner  # noqa: F401
from proxy import cli
from tests.integration.killed import arm


def main() -> None:
    folder, stride = Path(sys.argv[1]), int(sys.argv[2])
    for number in range(0, 2000, stride):
        here = folder / str(number)
        shutil.copytree(folder / "template", here)
        if not os.WIFSIGNALED(_run(here, number)):
            print(number // stride)
            return
        status = _run(here, None)
        if os.waitstatus_to_exitcode(status):
            sys.exit(f"killed at {number}, the next run ended with {status}")
    sys.exit("no run came to its end")


def _run(here: Path, kill_at: int | None) -> int:
    child = os.fork()
    if child == 0:
        if kill_at is not None:
            arm(kill_at, str(here))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(cli.main(["rollout", "run", "r", "--routes", str(here / "routes.yaml")]))
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    main()
