"""Loads a table from text: parses it, checks that routes are reachable, runs its tests, builds the index. Pure."""

from msgspec import Struct

from proxy.config.changed_table import parse_changed
from proxy.config.checks.changed_precedence import ChangedPair, changed_pairs, warning_of
from proxy.config.checks.sandboxes import false_sandboxes
from proxy.config.checks.table_tests import Report, run_tests
from proxy.config.checks.unreachable import unreachable
from proxy.config.known_routes import KnownRoutes
from proxy.config.loader import Parsed, parse
from proxy.errors import Problem, TableError
from proxy.model import RouteTable
from proxy.routing.match import Index


class Loaded(Struct, frozen=True):
    """A valid table and its index."""

    table: RouteTable
    index: Index
    warnings: tuple[Problem, ...]
    report: Report
    pairs: tuple[ChangedPair, ...] = ()
    """The routes that a table before ADR 23 ranked otherwise."""
    known: KnownRoutes | None = None
    """What the load of the next table may use of this one."""


def load(text: bytes, file: str, before: Loaded | None = None) -> Loaded:
    """All checks of `facade check` and of a reload. Raises TableError with every problem.

    The result does not depend on `before`, the table that was loaded from the file before: what it has in common with
    the new one is used again (ADR 26).
    """
    if before is not None and (loaded := _load_changed(text, file, before)) is not None:
        return loaded
    try:
        parsed = parse(text, file)
    except TableError as refused:
        # Unreachable routes depend on matches only, so report them with the other problems.
        raise TableError(
            file, tuple(sorted([*refused.problems, *unreachable(refused.seams)]))
        ) from None
    index = Index(parsed.table.routes)
    report = run_tests(parsed.table, index)
    problems = [
        *unreachable(parsed.table.routes),
        *false_sandboxes(parsed.table),
        *report.problems(parsed.table),
    ]
    if problems:
        raise TableError(file, tuple(sorted([*problems, *parsed.warnings])))
    return _loaded(parsed, index, report, changed_pairs(parsed.table.routes, index))


def _load_changed(text: bytes, file: str, before: Loaded) -> Loaded | None:
    """The table, if it is valid and has enough in common with the one before."""
    parsed = None if before.known is None else parse_changed(text, file, before.known)
    if parsed is None:
        return None
    routes = parsed.table.routes
    index = Index(routes)
    report = run_tests(parsed.table, index)
    # The routes of the table before are all reachable. For that, and for the pairs, only their matches matter.
    is_same = _has_same_matches(before.table, parsed.table)
    if report.problems(parsed.table) or false_sandboxes(parsed.table):
        return None
    if not is_same and unreachable(routes):
        return None
    return _loaded(parsed, index, report, before.pairs if is_same else changed_pairs(routes, index))


def _loaded(parsed: Parsed, index: Index, report: Report, pairs: tuple[ChangedPair, ...]) -> Loaded:
    changed = [warning_of(pair, parsed.table.routes) for pair in pairs]
    warnings = tuple(sorted([*parsed.warnings, *changed]))
    return Loaded(parsed.table, index, warnings, report, pairs, parsed.known)


def _has_same_matches(one: RouteTable, other: RouteTable) -> bool:
    if len(one.routes) != len(other.routes):
        return False
    pairs = zip(one.routes, other.routes, strict=True)
    return all(a.matches == b.matches and a.priority == b.priority for a, b in pairs)
