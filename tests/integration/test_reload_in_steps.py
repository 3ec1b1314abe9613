"""While a table is replaced, little is freed in one step: requests go on between the steps (ADR 26)."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.control.table_watcher import TableWatcher
from proxy.routing.snapshot import Snapshot
from tests.support.freed import most_freed_in_a_step

_ROUTES = 300
_FEW = 2 * _ROUTES
"""A table and what a load of it needs have twenty times as many objects."""


def table(weight: int, more: str = "") -> str:
    routes = "".join(
        f"  - {{name: r{number}, match: {{path: {{exact: /r{number}}}}}, "
        f"backend_refs: {{legacy: {weight}, new: {100 - weight}}}}}\n"
        for number in range(_ROUTES)
    )
    backends = "backends: {legacy: 'http://127.0.0.1:1', new: 'http://127.0.0.1:1'}"
    return f"version: 1\n{backends}\nroutes:\n{routes}{more}"


@pytest.fixture
def watcher(tmp_path: Path) -> TableWatcher:
    (tmp_path / "routes.yaml").write_text(table(80))
    return TableWatcher(tmp_path / "routes.yaml", {}, lambda _: None, recording=False)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        (table(70), True),
        (table(80, more="  - {name: rest, backend_refs: legacy}\n"), True),
        (table(80, more="  - {name: rest, backend_refs: nobody}\n"), False),
        (table(70).replace("new: 30", "new: 31"), False),
        (table(80, more="  - {name: r, match: {path: {exact: /r7}}, backend_refs: new}\n"), False),
        (table(70, more="defaults: {errors: {502: {file: missing.html}}}\n"), False),
    ],
    ids=["every weight", "a route more", "no backend", "wrong sums", "unreachable", "no file"],
)
def test_no_step_of_a_reload_frees_much(
    watcher: TableWatcher, runner: asyncio.Runner, tmp_path: Path, text: str, is_taken: bool
) -> None:
    runner.run(asyncio.sleep(0))
    before = watcher.table.current
    (tmp_path / "routes.yaml").write_text(text)
    assert most_freed_in_a_step(lambda: runner.run(watcher.refresh())) < _FEW
    assert (watcher.table.current is not before) == is_taken


def test_the_last_request_of_a_replaced_table_frees_little(
    watcher: TableWatcher, runner: asyncio.Runner, tmp_path: Path
) -> None:
    used = [watcher.table.current]
    (tmp_path / "routes.yaml").write_text(table(70))
    assert runner.run(watcher.refresh())
    assert most_freed_in_a_step(used.clear) < _FEW


def test_a_replaced_table_is_freed_in_steps_once_nothing_uses_it(
    watcher: TableWatcher, runner: asyncio.Runner, tmp_path: Path
) -> None:
    used: list[Snapshot] = [watcher.table.current]
    route = watcher.table.current.table.routes[0]
    alone = sys.getrefcount(object())

    async def reload() -> None:
        (tmp_path / "routes.yaml").write_text(table(70))
        watching = asyncio.create_task(watcher.watch())
        async with asyncio.timeout(30):
            while watcher.table.current is used[0]:
                await asyncio.sleep(0.01)
            used.clear()
            # The name `route` refers to it, too.
            while sys.getrefcount(route) > alone + 1:
                await asyncio.sleep(0.01)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    assert most_freed_in_a_step(lambda: runner.run(reload())) < _FEW
