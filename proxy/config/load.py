"""Text -> a table that may serve: parsed, reachable, its tests run, ready for matching. Pure."""

from msgspec import Struct

from proxy.config import parse_table
from proxy.config.checks.table_tests import Report, run_tests
from proxy.config.checks.unreachable import unreachable
from proxy.errors import Problem, TableError
from proxy.model import RouteTable
from proxy.routing.match import Index


class Loaded(Struct, frozen=True):
    """A whole and valid table."""

    table: RouteTable
    index: Index
    warnings: tuple[Problem, ...]
    report: Report


def load(text: bytes, file: str) -> Loaded:
    """Everything that `facade check` and a reload ask of a table. Raises TableError with every problem."""
    try:
        table, warnings = parse_table(text, file)
    except TableError as refused:
        # What no request can reach is told along with the rest: it depends on matches alone.
        raise TableError(
            file, tuple(sorted([*refused.problems, *unreachable(refused.seams)]))
        ) from None
    index = Index(table.routes)
    report = run_tests(table, index)
    problems = [*unreachable(table.routes), *report.problems(table)]
    if problems:
        raise TableError(file, tuple(sorted([*problems, *warnings])))
    return Loaded(table, index, warnings, report)
