"""Health with several workers: one process probes, all workers follow, and the states outlive the prober."""

import asyncio
import os
import signal
from pathlib import Path

from tests.integration.health_site import CHECK, Endpoint, endpoints, status, table
from tests.integration.test_workers import two, workers
from tests.support.facade_process import FacadeProcess
from tests.support.waiting import until

HEALTH_CHECK = f"health_check: {CHECK}"
OUTLIERS = "outlier_detection: {consecutive_5xx: 3, base_ejection_time: 1h}"


def states(facade: FacadeProcess) -> list[str]:
    shown = facade.admin_json("/readyz")["backends"]["b"]["endpoints"]
    return [each["state"] for each in shown]


def bodies(facade: FacadeProcess, count: int = 12) -> set[bytes]:
    """The responses over as many connections: both workers get some."""
    return {facade.get("/")[1] for _ in range(count)}


async def test_one_process_probes_and_every_worker_follows(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        text = table([ill.url, well.url], HEALTH_CHECK)
        await asyncio.to_thread(_one_prober, tmp_path, text, ill)


def _one_prober(folder: Path, text: str, ill: Endpoint) -> None:
    with two(folder, table=text) as facade:
        until(lambda: facade.total("facade_probes_total") > 10)
        ill.probe = status(500)
        until(lambda: states(facade) == ["unhealthy", "healthy"])
        until(lambda: bodies(facade) == {b"1"})
        (admin,) = set(facade.children()) - set(workers(facade))
        os.kill(admin, signal.SIGSTOP)  # Without it, no process probes.
        try:
            probes = ill.probes
            assert bodies(facade) == {b"1"}
            assert ill.probes <= probes + 1
        finally:
            os.kill(admin, signal.SIGCONT)
        until(lambda: ill.probes > probes + 1)
        # The successor of a process that ended goes on with the published states.
        os.kill(admin, signal.SIGKILL)
        assert bodies(facade) == {b"1"}
        until(lambda: states(facade) == ["unhealthy", "healthy"])
        ill.is_well()
        until(lambda: states(facade) == ["healthy", "healthy"])
        until(lambda: bodies(facade) == {b"0", b"1"})


async def test_failures_of_all_workers_count_and_all_leave_the_endpoint(tmp_path: Path) -> None:
    async with endpoints(2) as (ill, well):
        text = table([ill.url, well.url], OUTLIERS)
        await asyncio.to_thread(_ejection, tmp_path, text, ill)


def _ejection(folder: Path, text: str, ill: Endpoint) -> None:
    with two(folder, table=text) as facade:
        ill.request = status(500)

        def is_ejected() -> bool:
            facade.get("/")
            return states(facade) == ["ejected", "healthy"]

        until(is_ejected)
        until(lambda: bodies(facade) == {b"1"})
        for victim in workers(facade):
            os.kill(victim, signal.SIGKILL)
        until(lambda: facade.total("facade_worker_restarts_total") == 2)
        until(lambda: bodies(facade) == {b"1"})
        assert states(facade) == ["ejected", "healthy"]
