"""The mirror process of a facade: when it runs, and what its end costs (ADR 34)."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.misbehaving import backend, responds
from tests.support.facade_process import FacadeProcess, facade_process
from tests.support.procfs import tree
from tests.support.waiting import until

WITHIN_S = 60
TABLE = """
version: 1
backends: {{legacy: "{url}", new: "{url}"}}
routes:
- name: list
  stage: {stage}
  backend_refs: [legacy, new]
  mirror: {{max_concurrency: 1000, compare: {{body: {{type: bytes}}}}}}
"""


@contextmanager
def serving(folder: Path, workers: int, stage: str = "shadow") -> Iterator[FacadeProcess]:
    with backend(responds) as url:
        text = TABLE.format(url=url, stage=stage)
        with facade_process(folder, "--workers", str(workers), table=text) as facade:
            yield facade


def mirror_processes(facade: FacadeProcess) -> list[int]:
    def line(pid: int) -> bytes:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""

    return [pid for pid in tree(facade.popen.pid) if b"mirror_process" in line(pid)]


def is_up(facade: FacadeProcess) -> bool:
    return facade.total("facade_mirror_process_up") == 1


def served(facade: FacadeProcess, count: int) -> None:
    for _ in range(count):
        assert facade.get("/")[0] == 200


def compared(facade: FacadeProcess) -> int:
    report = facade.admin_json("/parity?route=list")
    return int(report["compared"])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_was_killed_is_replaced_and_what_waits_is_copied(
    workers: int, tmp_path: Path
) -> None:
    with serving(tmp_path, workers) as facade:
        served(facade, 8)
        until(lambda: compared(facade) == 8, WITHIN_S)
        (victim,) = mirror_processes(facade)
        assert os.sched_getscheduler(victim) == os.SCHED_IDLE
        os.kill(victim, signal.SIGKILL)
        until(lambda: facade.logged("the mirror process ended with status -9"), WITHIN_S)
        served(facade, 8)
        until(lambda: compared(facade) == 16, WITHIN_S)
        (successor,) = mirror_processes(facade)
        assert successor != victim
        assert facade.total("facade_mirror_process_restarts_total") == 1
        assert facade.stop() == 0
        assert not facade.logged("Traceback")


def test_it_runs_while_the_table_has_a_mirror(tmp_path: Path) -> None:
    with serving(tmp_path, 1, stage="legacy") as facade:
        routes = tmp_path / "routes.yaml"
        served(facade, 1)
        assert mirror_processes(facade) == []
        text = routes.read_text()
        routes.write_text(text.replace("stage: legacy", "stage: shadow"))
        until(lambda: is_up(facade), WITHIN_S)
        served(facade, 1)
        until(lambda: compared(facade) == 1, WITHIN_S)
        routes.write_text(text)
        until(lambda: mirror_processes(facade) == [], WITHIN_S)
        assert not is_up(facade)
        assert not facade.logged("ERROR")


def test_it_ends_with_a_facade_that_was_killed(tmp_path: Path) -> None:
    with serving(tmp_path, 1) as facade:
        until(lambda: is_up(facade), WITHIN_S)
        (pid,) = mirror_processes(facade)
        facade.popen.kill()
        facade.popen.wait()
        until(lambda: not Path(f"/proc/{pid}").exists(), WITHIN_S)
