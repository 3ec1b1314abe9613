"""`python -m tests.compose`: the images and compose.yaml on a real Docker Engine, from a clean clone.

Takes some minutes. It has a project name and ports of its own, changes nothing outside its folder, and
cleans up always.
Exit status: 0 all is as it must be, 1 a step failed, 2 there is no engine or the command line is wrong,
130 it was told to stop.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import NoReturn

from tests.compose import disturb, images, walk
from tests.compose.clone import clean_clone
from tests.compose.report import Report
from tests.compose.shell import run, why_no_engine
from tests.compose.stack import PARTS, Stack

Step = tuple[str, Callable[[], str]]
_BEFORE, _OVER = "Seoul to Tokyo", "Seoul to Busan"


def main() -> int:
    """Run the steps; the first that fails ends them, because the rest stands on it."""
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=__doc__)
    parser.add_argument(
        "--uncommitted",
        action="store_true",
        help="with the files as they are, not as last committed",
    )
    told = parser.parse_args()
    if why := why_no_engine():
        print(f"compose-test: {why}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    report = Report()
    report.head(_title())
    with clean_clone(uncommitted=told.uncommitted) as folder:
        stack = Stack(folder)
        try:
            if not all(report.step(name, action) for name, action in _steps(stack)):
                print(stack.compose("ps", "--all", may_fail=True))
                print(stack.compose("logs", "--tail", "12", may_fail=True, both=True))
        except KeyboardInterrupt:
            print("compose-test: stopped; cleaning up", file=sys.stderr)
            return 130
        finally:
            stack.remove()
    return report.end()


def _steps(stack: Stack) -> Iterator[Step]:
    yield "docker compose up --build --wait", partial(walk.up, stack)
    yield "images: size, user, contents, labels, SBOM", partial(images.check_all, stack)
    yield "images: alone, read-only, SIGTERM", partial(images.check_alone, stack)
    yield "containers: no root, read-only, networks", partial(walk.hardening, stack)
    yield "requests through the facade", partial(walk.requests, stack)
    yield "the stand-in's database away", partial(walk.database_away, stack)
    yield "routes.yaml edited on the host", partial(walk.edit_routes, stack)
    yield "routes.yaml with a mistake", partial(walk.broken_routes, stack)
    yield "the facade's commands inside", partial(walk.facade_tools, stack)
    yield "docker compose run --rm db-init", partial(walk.db_init_again, stack)
    yield "docker compose logs", partial(walk.logs, stack)
    yield "docker compose exec db psql", partial(walk.psql, stack)
    for part in reversed(PARTS):
        yield f"docker compose restart {part}", partial(disturb.restart, stack, part)
    for part in ("app", "travelbuddy"):
        yield f"{part}: a new container", partial(disturb.replace, stack, part)
    for part in reversed(PARTS):
        yield f"kill -9 {part}", partial(disturb.kill, stack, part)
    yield "a write", partial(walk.set_header, stack, _BEFORE)
    yield "a write across the facade's restart", partial(disturb.request_over_restart, stack, _OVER)
    yield "docker compose stop", partial(walk.stop_codes, stack)
    yield "docker compose down, up: the data", partial(walk.data_survives, stack, _OVER)
    yield "LEGACY_URL", partial(walk.legacy_url, stack)
    yield "DB_VOLUME=db-data, the database alone", partial(walk.named_volume, stack)
    yield "clean-up", partial(walk.clean_up, stack)


def _title() -> str:
    engine = run(["docker", "version", "--format", "{{.Server.Version}}"])
    compose = run(["docker", "compose", "version", "--short"])
    return f"compose-test: engine {engine}, compose {compose}"


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
