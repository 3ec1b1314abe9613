"""Rollouts on the dashboard: how far they are, and their commands by form."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.control.history.file import load_history
from proxy.control.rollout_mark import RolloutMark
from tests.integration.commands import ROOT
from tests.integration.test_dashboard import browsing, confirmed, preview

TABLE = """\
version: 1
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
routes:
  - name: list
    stage: shadow
    match: {path: {prefix: /list}}
    backend_refs: {legacy: 100, new: 0}
    rollout:
      steps:
        - set_weight: 5
        - pause: {}
        - set_weight: 50
        - pause: {}
        - set_stage: live
  - name: rest
    backend_refs: legacy
"""


def begin(routes: Path) -> None:
    """Take the steps up to the first pause, which needs a person: exit status 5."""
    words = ["rollout", "run", "list", "--routes", str(routes)]
    ran = subprocess.run([sys.executable, "-m", "proxy", *words], cwd=ROOT, timeout=60, check=False)
    assert ran.returncode == 5


def marks(routes: Path) -> list[str]:
    entries = load_history(routes).entries
    return [each.rollout.event for each in entries if isinstance(each.rollout, RolloutMark)]


@pytest.mark.parametrize(
    ("action", "event", "stage"),
    [
        ("rollout pause", "paused", "canary"),
        ("rollout promote", "promoted", "canary"),
        ("rollout abort", "aborted", "shadow"),
    ],
)
async def test_a_rollout_is_shown_and_commanded(
    tmp_path: Path, action: str, event: str, stage: str
) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(TABLE)
    await asyncio.to_thread(begin, routes)
    async with browsing(tmp_path, routes.read_text()) as browser:
        _, _, page = await browser.get("/")
        assert "step 2 of 5 (pause" in page
        status, page = await preview(browser, action=action)
        assert (status, f"list: {action}" in page) == (200, True)
        assert marks(routes)[-1] != event
        assert (await confirmed(browser, page))[0] == 303
        assert marks(routes)[-1] == event
        assert load_history(routes).entries[-1].reason == "it works"
        assert browser.facade.app.table.current.table.routes[0].stage == stage


async def test_a_command_without_a_rollout_in_progress_is_refused(tmp_path: Path) -> None:
    async with browsing(tmp_path, TABLE) as browser:
        status, page = await preview(browser, action="rollout promote")
        assert status == 409
        assert "no rollout of list is in progress" in page
        _, _, shown = await browser.get("/")
        assert "not begun" in shown
