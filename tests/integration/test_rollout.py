"""A rollout from its first step to its end, with a real facade and with the admin listeners of several."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.analysis.figures import Figures
from proxy.control.rollout.admins import TokenRefused
from proxy.control.rollout.runner import COMPLETED, PAUSED, ROLLED_BACK
from proxy.errors import EditError
from tests.integration.rollouts import Remembered, TableFile, replica, run, table
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.ports import free_port
from tests.support.waiting import eventually

GOOD = Figures(0, 0, {100: 50})
BAD = Figures(50, 0, {100: 50})
STEPS = "{set_weight: 50}, {analysis: {duration: 1s}}, {set_stage: live}"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
def seen() -> Remembered:
    return Remembered()


@pytest.fixture
def routes(tmp_path: Path) -> TableFile:
    return TableFile(tmp_path / "routes.yaml", table(STEPS))


@pytest.fixture
def served(tmp_path: Path) -> TableFile:
    """Another file, which the facade serves."""
    return TableFile(tmp_path / "served.yaml", table(STEPS))


@contextlib.asynccontextmanager
async def traffic(facade: RunningFacade) -> AsyncIterator[None]:
    """Requests one after the other, as long as the block runs."""

    async def requests() -> None:
        while True:
            await facade.get("/")
            await asyncio.sleep(0.005)

    task = asyncio.create_task(requests())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


@pytest.mark.parametrize(
    ("response", "status", "names", "state"),
    [
        (ok(), COMPLETED, ["step", "step", "step", "completed"], "live"),
        (ERROR, ROLLED_BACK, ["step", "rolled_back"], "shadow"),
    ],
    ids=["a good newcomer", "a bad one"],
)
async def test_the_figures_of_a_facade_decide(
    response: bytes, status: int, names: list[str], state: str, tmp_path: Path, seen: Remembered
) -> None:
    async with origin(responding(ok())) as legacy, origin(responding(response)) as new:
        text = table(STEPS, legacy.url, new.url)
        async with facade_in_loop(text, tmp_path) as facade, traffic(facade):
            admin = f"http://127.0.0.1:{facade.admin.port}"
            kept = TableFile(facade.routes, text)
            assert await asyncio.wait_for(run(kept, seen, admin), 120) == status
    assert [name for name in seen.names if name != "verdict"] == names
    assert "verdict" in seen.names
    assert f"stage: {state}" in facade.routes.read_text()
    last = next(event for event in reversed(seen.events) if event.event == "verdict")
    (metric,) = last.metrics
    assert metric.new == (1.0 if status == COMPLETED else 0.0)
    assert metric.legacy == 1.0


async def test_the_figures_of_all_replicas_are_added(routes: TableFile, seen: Remembered) -> None:
    async with replica(routes, "a") as one, replica(routes, "b") as other:
        one.grows, other.grows = Figures(0, 0, {100: 15}), Figures(0, 0, {100: 15})
        assert await run(routes, seen, one.url, other.url) == COMPLETED


@pytest.mark.parametrize(
    "grows", [Figures(), Figures(1, 0, {100: 1})], ids=["none", "few, all bad"]
)
async def test_too_little_traffic_pauses(
    grows: Figures, routes: TableFile, seen: Remembered
) -> None:
    async with replica(routes) as one:
        one.grows = grows
        assert await run(routes, seen, one.url) == PAUSED
    assert seen.texts[-1] == "step 2 of 3 (analysis) is inconclusive: success_rate"
    assert "new: 50" in routes.text


async def test_a_replica_that_does_not_answer_makes_it_inconclusive(
    routes: TableFile, seen: Remembered
) -> None:
    routes.text = routes.text.replace("duration: 1s", "duration: 1h")
    async with replica(routes, "a") as one, replica(routes, "b") as other:
        one.grows = BAD
        running = asyncio.create_task(run(routes, seen, one.url, other.url))
        await eventually(lambda: other.asked > 0, 60)
        other.status = 503
        assert await asyncio.wait_for(running, 60) == PAUSED
    assert "answers /figures with 503" in seen.texts[-1]
    assert "new: 50" in routes.text


async def test_a_breaker_that_opens_is_a_failure(routes: TableFile, seen: Remembered) -> None:
    async with replica(routes) as one:
        one.breaker = "open"
        assert await run(routes, seen, one.url) == ROLLED_BACK
    assert seen.texts[-1] == "the breaker of new is open"
    assert "backend_refs: {legacy: 100, new: 0} # the newcomer comes last" in routes.text


async def test_parity_is_read_from_the_replica(routes: TableFile, seen: Remembered) -> None:
    text = routes.text.replace("success_rate", "parity_rate")
    routes.text = text.replace("new >= 0.5", "lower_bound >= 0.9")
    async with replica(routes) as one:
        one.parity = json.dumps(
            {"compared": 100, "share": 0.99, "lower_bound": 0.95, "upper_bound": 1.0}
        ).encode()
        assert await run(routes, seen, one.url) == COMPLETED
    (metric,) = next(event for event in seen.events if event.event == "verdict").metrics
    assert (metric.new, metric.lower_bound, metric.verdict) == (0.99, 0.95, "passed")


async def test_without_parity_a_condition_about_it_pauses(
    routes: TableFile, seen: Remembered
) -> None:
    text = routes.text.replace("success_rate", "parity_rate")
    routes.text = text.replace("new >= 0.5", "lower_bound >= 0.9")
    async with replica(routes) as one:
        assert await run(routes, seen, one.url) == PAUSED


async def test_an_admin_listener_that_asks_for_a_token_is_an_error(
    routes: TableFile, seen: Remembered
) -> None:
    async with replica(routes) as one:
        one.status = 401
        with pytest.raises(TokenRefused, match="asks for a token: name the file"):
            await run(routes, seen, one.url)
    assert "new: 50" in routes.text


async def test_after_a_rollback_only_restart_begins_again(
    routes: TableFile, seen: Remembered
) -> None:
    async with replica(routes) as one:
        one.grows = BAD
        assert await run(routes, seen, one.url) == ROLLED_BACK
        again = Remembered()
        assert await run(routes, again, one.url) == ROLLED_BACK
        assert again.names == ["rolled_back"]
        one.grows = GOOD
        assert await run(routes, seen, one.url, restart=True) == COMPLETED


# --- --apply --------------------------------------------------------------------------------


def copying(to: Path) -> str:
    program = f"import sys; open({str(to)!r}, 'wb').write(sys.stdin.buffer.read())"
    return f'{sys.executable} -c "{program}"'


async def test_each_table_is_given_to_a_command(
    routes: TableFile, served: TableFile, seen: Remembered
) -> None:
    async with replica(served) as one:
        one.grows = GOOD
        assert await run(routes, seen, one.url, command=copying(served.path)) == COMPLETED
    assert served.text == routes.text


async def test_a_table_that_a_killed_runner_left_behind_is_given_on(
    routes: TableFile, served: TableFile, seen: Remembered
) -> None:
    routes.text = table("{set_weight: 50}, {pause: {}}")
    async with replica(served) as one:
        served.text = routes.text
        assert await run(routes, seen, one.url) == PAUSED  # without --apply
        assert served.text != routes.text
        assert await run(routes, seen, one.url, command=copying(served.path)) == PAUSED
    assert served.text == routes.text


async def test_a_served_table_that_the_history_does_not_have_is_not_replaced(
    routes: TableFile, served: TableFile, seen: Remembered
) -> None:
    served.text += "# from elsewhere\n"
    async with replica(served) as one:
        with pytest.raises(EditError, match=f"serves version {served.version}"):
            await run(routes, seen, one.url, command=copying(served.path))
    assert routes.marks == []


async def test_a_command_that_fails_is_an_error(
    routes: TableFile, seen: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.control.rollout.writer._TRIES", 2)
    async with replica(routes) as one:
        with pytest.raises(EditError, match="ended with 3: no right"):
            await run(routes, seen, one.url, command="sh -c 'echo no right >&2; exit 3'")


async def test_a_facade_that_is_not_there_is_an_error_with_apply(
    routes: TableFile, seen: Remembered
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(EditError, match="it is not known which table is served"):
        await run(routes, seen, url, command="true")
