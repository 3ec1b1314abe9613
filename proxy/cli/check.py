"""`facade check`: read a table as `serve` would, and say everything that is wrong with it."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from proxy.cli.files import read_routes
from proxy.cli.output import Screen, add_json, err, out, print_json, safe
from proxy.config import expand
from proxy.config.checks.expired import expired
from proxy.config.load import Loaded, load
from proxy.control.tls_files import load_tls_files
from proxy.errors import Problem, TableError

_SHOWN_OF_A_LINE = 200


def register(command: argparse.ArgumentParser) -> None:
    """Say what the command is for and what it takes."""
    command.description = (
        "Read a table as `serve` would: its rules, its reachability and its own tests."
    )
    command.epilog = "Exit status: 0 fine, 1 warnings and --strict, 2 the table would be refused."
    command.add_argument("file", nargs="?", default="routes.yaml", metavar="FILE")
    command.add_argument("--strict", action="store_true", help="exit 1 for warnings")
    command.add_argument("--expand", action="store_true", help="print the canonical long form")
    command.add_argument(
        "--no-files", action="store_true", help="do not read the files that `tls` names"
    )
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check one file. 0, 1 for warnings where asked to be strict, 2 for a table that is refused."""
    file = arguments.file
    text = read_routes(file)
    try:
        found = load(text, file)
        if not arguments.no_files:
            _look_at_files(found, file)
        loaded: Loaded | None = found
        problems = [*found.warnings, *expired(text, file, datetime.now(UTC).date())]
    except TableError as refused:
        loaded, problems = None, list(refused.problems)
    problems.sort()
    if arguments.json:
        report = _report(file, loaded, problems)
        if arguments.expand and loaded is not None:
            report["table"] = yaml.load(expand(text, file), yaml.CSafeLoader)
        print_json(report)
    else:
        _print_problems(err(), file, text, problems)
        _print_summary(err() if arguments.expand else out(), file, loaded, problems)
        if arguments.expand and loaded is not None:
            out().write(expand(text, file))
    if loaded is None:
        return 2
    return 1 if problems and arguments.strict else 0


def _look_at_files(loaded: Loaded, file: str) -> None:
    """Raises TableError, as `serve` would, for certificates that cannot be used."""
    backends = {backend.name: backend for backend in loaded.table.backends}
    try:
        load_tls_files(backends, loaded.table.tls_files, Path(file))
    except TableError as refused:
        raise TableError(file, tuple(sorted([*refused.problems, *loaded.warnings]))) from None


def _report(file: str, loaded: Loaded | None, problems: Sequence[Problem]) -> dict[str, Any]:
    listed = [
        {
            "line": problem.line,
            "column": problem.column,
            "severity": problem.severity,
            "text": problem.text,
            "hint": problem.hint,
        }
        for problem in problems
    ]
    report: dict[str, Any] = {"file": file, "ok": loaded is not None, "problems": listed}
    if loaded is not None:
        report |= {
            "routes": len(loaded.table.routes),
            "tests": len(loaded.table.tests),
            "coverage": loaded.report.coverage,
            "uncovered": list(loaded.report.uncovered),
            "not_obeyed": list(map(str, loaded.table.not_implemented)),
        }
    return report


def _print_problems(screen: Screen, file: str, text: bytes, problems: Sequence[Problem]) -> None:
    lines = text.decode("utf-8", "replace").splitlines() if screen.is_terminal else []
    for problem in problems:
        located = safe(problem.located(file))
        if not screen.is_terminal:
            screen.line(located)
            continue
        for number, line in enumerate(screen.wrapped(located)):
            place, colon, what = ("", "", line) if number else line.partition(": ")
            screen.line(f"{screen.styled(place, 'bold')}{colon}{what}")
        if 0 < problem.line <= len(lines):
            _underline(screen, lines[problem.line - 1], problem)


def _underline(screen: Screen, line: str, problem: Problem) -> None:
    """The line of the file with a caret below the place. A long line is shown around it."""
    at = max(problem.column - 1, 0)
    start = max(at - _SHOWN_OF_A_LINE // 2, 0) if len(line) > _SHOWN_OF_A_LINE else 0
    before = safe(line[start:at].replace("\t", " "))
    after = safe(line[at : start + _SHOWN_OF_A_LINE].replace("\t", " "))
    style = "yellow" if problem.severity == "warning" else "red"
    margin = f"{problem.line:>6} | "
    screen.line(screen.styled(margin, "dim") + before + after)
    screen.line(" " * (len(margin) + len(before)) + screen.styled("^", style, "bold"))


def _print_summary(
    screen: Screen, file: str, loaded: Loaded | None, problems: Sequence[Problem]
) -> None:
    warnings = sum(problem.severity == "warning" for problem in problems)
    errors = len(problems) - warnings
    told = [_count(warnings, "warning")] if warnings else []
    name = safe(file)
    if loaded is None:
        said = " and ".join([_count(errors, "problem"), *told])
        screen = err()
        screen.line(f"{name}: {screen.styled('refused', 'red', 'bold')}: {said}")
        return
    table, report = loaded.table, loaded.report
    said = ", ".join(
        (
            _count(len(table.routes), "route"),
            _count(len(table.tests), "test"),
            f"coverage {report.coverage:g} %",
            *told,
        )
    )
    screen.line(f"{name}: {screen.styled('fine', 'green', 'bold')}: {said}")
    if table.not_implemented:
        fields = ", ".join(map(str, table.not_implemented[:10]))
        more = len(table.not_implemented) - 10
        screen.line(
            f"{name}: not obeyed yet: {safe(fields)}{f' and {more} more' if more > 0 else ''}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
