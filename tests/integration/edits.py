"""What tests of edits share: a shell with a table, and short ways to look at its history."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy import cli
from proxy.control.edit_transaction import EditInput, EditRequest, EditResult, perform
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.operations import Consent, shift
from proxy.control.history.entries import version_of
from proxy.control.history.file import load_history
from tests.texts import FLOW, table

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000.0
CANARY = table(FLOW.format(95, 5), "canary")
TWENTY = table(FLOW.format(80, 20), "canary")
LEGACY = table(FLOW.format(100, 0), "legacy")
LIVE = table(FLOW.format(0, 100), "live")


class Shell:
    """Runs `facade` in this process, in a directory of its own with a table."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.routes = folder / "routes.yaml"
        self.out = self.err = ""
        self._capture = capture
        self.routes.write_text(CANARY)

    def __call__(self, line: str, *more: str) -> int:
        status = cli.main([*line.split(), *more])
        self.out, self.err = self._capture.readouterr()
        return status

    def json(self, line: str, *more: str) -> Any:
        assert self(f"{line} --json", *more) == 0
        return json.loads(self.out)

    @property
    def version(self) -> str:
        return version_of(self.routes.read_bytes())


def history_of(routes: Path) -> Path:
    return routes.with_name(f"{routes.name}.history.jsonl")


def moved(routes: Path, share: int, who: str = "alice") -> EditResult:
    """Shift route `r`, with the function that the command line calls."""

    def edit(edit_input: EditInput) -> EditedTable | None:
        return shift(edit_input.require_table(), "r", {"new": share}, Consent())

    return perform(routes, EditRequest("shift", who, NOW), edit)


def actions(routes: Path) -> list[str]:
    return [entry.action for entry in load_history(routes).entries]


def faults(routes: Path) -> tuple[int, tuple[int, ...]]:
    scan = load_history(routes)
    return scan.broken_at, scan.torn
