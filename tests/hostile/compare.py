"""`python -m tests.hostile.compare`: the corpus over the facade and others, and who fails what.

Rows marked `policy` are promises of ours beyond the RFCs, and are counted for the facade only.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from tests.hostile.contestants import PROGRAMS, facade, program
from tests.hostile.corpus import HOSTILE, REQUESTS
from tests.hostile.judge import Judge
from tests.hostile.origin import Origin
from tests.support.facade_in_loop import TIERS

_PATIENCE_S = 1.5


def _up(
    name: str, origin_port: int, folder: Path
) -> contextlib.AbstractContextManager[tuple[str, int]]:
    for tier in TIERS:
        if tier == name:
            return facade(tier, origin_port, folder)
    return program(name, origin_port, folder)


def failures(name: str) -> tuple[int, dict[str, list[str]]]:
    """How many rows were tried, and what each failed one was."""
    ours = name in TIERS
    failed: dict[str, list[str]] = {}
    origin = Origin()
    origin.start()
    with tempfile.TemporaryDirectory() as folder:
        with _up(name, origin.port, Path(folder)) as address:
            judge = Judge(address, origin, ours, _PATIENCE_S)
            requests = [case for case in REQUESTS if ours or not case.policy]
            responses = [case for case in HOSTILE if ours or not case.policy]
            for case in requests:
                if wrong := judge.request(case):
                    failed[f"request: {case.name}"] = wrong
            for response in responses:
                if wrong := judge.response(response):
                    failed[f"response: {response.name}"] = wrong
    origin.stop()
    return len(requests) + len(responses), failed


def main(names: list[str]) -> int:
    """Print the table of those named, or of all that are installed."""
    there = [name for name in PROGRAMS if name == "naive" or shutil.which(name, path="/usr/sbin")]
    results = {name: failures(name) for name in names or [*TIERS, *there]}
    print("| contestant | rows | failed |\n| --- | --- | --- |")
    for name, (rows, failed) in results.items():
        print(f"| {name} | {rows} | {len(failed)} |")
    for name, (_, failed) in results.items():
        print(f"\n## {name}")
        for case, wrong in failed.items():
            print(f"- {case}: {'; '.join(wrong)}"[:400])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
