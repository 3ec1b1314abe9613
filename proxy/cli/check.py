"""`facade check`: load a table as `serve` would, and report everything that is wrong with it."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from proxy.cli.files import read_routes
from proxy.cli.output import Screen, add_json, err, out, print_json, safe
from proxy.config.checks.expired import expired
from proxy.config.expand import expand
from proxy.config.load import Loaded, load
from proxy.control.table_file import snapshot_of, with_files
from proxy.errors import Problem, TableError
from proxy.routing.mirrored_request import is_mirrored

_MAX_LINE_WIDTH = 200


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Read a table as `serve` would: its rules, its reachability and its own tests."
    )
    command.epilog = "Exit status: 0 fine, 1 warnings and --strict, 2 the table would be refused."
    table = command.add_mutually_exclusive_group()
    table.add_argument(
        "file", nargs="?", metavar="FILE", help="the route table, routes.yaml if none is given"
    )
    table.add_argument(
        "--routes", default="routes.yaml", metavar="FILE", help="the same, as for other commands"
    )
    command.add_argument(
        "--strict",
        action="store_true",
        help="exit 1 for warnings",
    )
    command.add_argument("--expand", action="store_true", help="print the canonical long form")
    command.add_argument(
        "--no-files", action="store_true", help="do not read the files of `tls`, `errors` and keys"
    )
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check one file. Returns 0; 2 for a table that is refused; with `--strict` 1 for warnings or unobeyed fields."""
    file = arguments.file or arguments.routes
    text = read_routes(file)
    try:
        table = load(text, file)
        if not arguments.no_files:
            _check_files(table, file)
        loaded: Loaded | None = table
        problems = [*table.warnings, *expired(text, file, datetime.now(UTC).date())]
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
    return 1 if arguments.strict and problems else 0


def _check_files(loaded: Loaded, file: str) -> None:
    """Raises TableError, as `serve` would, for files that the table names and that cannot be used."""
    try:
        with_files(snapshot_of(loaded, b"", {}, 0.0), Path(file))
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
            "mirrors": sum(map(is_mirrored, loaded.table.routes)),
            "tests": len(loaded.table.tests),
            "coverage": loaded.report.coverage,
            "uncovered": list(loaded.report.uncovered),
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
    """Print the line of the file with a caret below the column. A long line is cut on both sides."""
    at = max(problem.column - 1, 0)
    start = max(at - _MAX_LINE_WIDTH // 2, 0) if len(line) > _MAX_LINE_WIDTH else 0
    before = safe(line[start:at].replace("\t", " "))
    after = safe(line[at : start + _MAX_LINE_WIDTH].replace("\t", " "))
    style = "yellow" if problem.severity == "warning" else "red"
    margin = f"{problem.line:>6} | "
    screen.line(screen.styled(margin, "dim") + before + after)
    screen.line(" " * (len(margin) + len(before)) + screen.styled("^", style, "bold"))


def _print_summary(
    screen: Screen, file: str, loaded: Loaded | None, problems: Sequence[Problem]
) -> None:
    warnings = sum(problem.severity == "warning" for problem in problems)
    errors = len(problems) - warnings
    warning_count = [_count(warnings, "warning")] if warnings else []
    name = safe(file)
    if loaded is None:
        summary = " and ".join([_count(errors, "problem"), *warning_count])
        screen = err()
        screen.line(f"{name}: {screen.styled('refused', 'red', 'bold')}: {summary}")
        return
    table, report = loaded.table, loaded.report
    mirrored = sum(map(is_mirrored, table.routes))
    mirrors = [_count(mirrored, "mirror")] if mirrored else []
    summary = ", ".join(
        (
            _count(len(table.routes), "route"),
            _count(len(table.tests), "test"),
            f"coverage {report.coverage:g} %",
            *mirrors,
            *warning_count,
        )
    )
    screen.line(f"{name}: {screen.styled('fine', 'green', 'bold')}: {summary}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
