"""Parity with several workers: the admin listener adds all of them up, and a dead worker's counts are continued."""

import os
import signal
from pathlib import Path

from tests.faults.misbehaving import backend, responds
from tests.integration.test_workers import replaced, two, workers
from tests.support.facade_process import FacadeProcess
from tests.support.waiting import until

TABLE = """
version: 1
backends: {{legacy: "{legacy}", new: "{new}"}}
routes:
- name: list
  stage: shadow
  backend_refs: [legacy, new]
  mirror: {{max_concurrency: 1000, compare: {{body: {{type: bytes}}}}}}
"""


def compared(facade: FacadeProcess) -> tuple[int, int]:
    report = facade.admin_json("/parity?route=list")
    return report["compared"], report["equal"]


def test_all_workers_are_added_up_and_none_forgets(tmp_path: Path) -> None:
    with backend(responds) as legacy, backend(responds) as new:
        with two(tmp_path, table=TABLE.format(legacy=legacy, new=new)) as facade:
            for _ in range(24):
                assert facade.get("/")[0] == 200
            until(lambda: compared(facade) == (24, 24))
            victim = workers(facade)[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda: replaced(facade, victim))
            assert compared(facade) == (24, 24)
            for _ in range(24):
                assert facade.get("/")[0] == 200
            until(lambda: compared(facade) == (48, 48))
            assert facade.stop() == 0
        with two(tmp_path, table=TABLE.format(legacy=legacy, new=new)) as facade:
            until(lambda: compared(facade) == (48, 48))
