"""Loads a table from text: parses it, checks that routes are reachable, runs its tests, builds the index. Pure."""

from msgspec import Struct

from proxy.config import parse_table
from proxy.config.checks.changed_precedence import changed_precedence
from proxy.config.checks.table_tests import Report, run_tests
from proxy.config.checks.unreachable import unreachable
from proxy.errors import Problem, TableError
from proxy.model import RouteTable
from proxy.routing.match import Index


class Loaded(Struct, frozen=True):
    """A valid table and its index."""

    table: RouteTable
    index: Index
    warnings: tuple[Problem, ...]
    report: Report


def load(text: bytes, file: str) -> Loaded:
    """All checks of `facade check` and of a reload. Raises TableError with every problem."""
    try:
        table, warnings = parse_table(text, file)
    except TableError as refused:
        # Unreachable routes depend on matches only, so report them with the other problems.
        raise TableError(
            file, tuple(sorted([*refused.problems, *unreachable(refused.seams)]))
        ) from None
    index = Index(table.routes)
    report = run_tests(table, index)
    problems = [*unreachable(table.routes), *report.problems(table)]
    if problems:
        raise TableError(file, tuple(sorted([*problems, *warnings])))
    return Loaded(
        table, index, tuple(sorted([*warnings, *changed_precedence(table.routes, index)])), report
    )
