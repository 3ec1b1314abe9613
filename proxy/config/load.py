"""Loads a table from text: parses it, checks that routes are reachable, runs its tests, builds the index. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from proxy.config.changed_table import parse_changed
from proxy.config.checks import changed_precedence, misdirected
from proxy.config.checks.changed_precedence import ChangedPair, changed_pairs
from proxy.config.checks.misdirected import Misdirected
from proxy.config.checks.sandboxes import false_sandboxes
from proxy.config.checks.table_tests import Report, run_tests
from proxy.config.checks.unreachable import unreachable
from proxy.config.known_routes import KnownRoutes
from proxy.config.loader import Parsed, parse
from proxy.errors import Problem, TableError
from proxy.freeing import free_in_parts
from proxy.model import Route, RouteTable
from proxy.routing.match import Index


class Found(Struct, frozen=True):
    """What is found between the routes of a table. It depends on their matches, backends and `cors` only."""

    pairs: tuple[ChangedPair, ...] = ()
    """The routes that a table before ADR 23 ranked otherwise."""
    misdirected: tuple[Misdirected, ...] = ()


class Loaded(Struct, frozen=True):
    """A valid table and its index."""

    table: RouteTable
    index: Index
    warnings: tuple[Problem, ...]
    report: Report
    found: Found = Found()
    known: KnownRoutes | None = None
    """What the load of the next table may use of this one."""

    def parts(self) -> list[object]:
        """What it refers to, for `free_in_parts`."""
        return _parts(self.table, self.known, self.index)


def _parts(table: RouteTable, known: KnownRoutes | None, index: Index) -> list[object]:
    """A node of the index refers to those below it."""
    routes = known.by_text.values() if known is not None else ()
    return [*table.routes, *routes, *reversed([*index.nodes()])]


def load(text: bytes, file: str, before: Loaded | None = None) -> Loaded:
    """All checks of `facade check` and of a reload. Raises TableError with every problem.

    The result does not depend on `before`, the table that was loaded from the file before: what it has in common with
    the new one is used again (ADR 26).
    """
    if before is not None and (loaded := _load_changed(text, file, before)) is not None:
        return loaded
    parsed = _parse(text, file)
    index = Index(parsed.table.routes)
    report = run_tests(parsed.table, index)
    problems = [
        *unreachable(parsed.table.routes),
        *false_sandboxes(parsed.table),
        *report.problems(parsed.table),
    ]
    if problems:
        problems += parsed.warnings
        parts = _parts(parsed.table, parsed.known, index)
        del parsed, index, report
        free_in_parts(parts)
        raise TableError(file, tuple(sorted(problems)))
    return _loaded(parsed, index, report, _found(parsed.table.routes, index))


def _parse(text: bytes, file: str) -> Parsed:
    """Raises TableError with the problems of `parse`, and with the unreachable routes."""
    try:
        return parse(text, file)
    except TableError as error:
        # Unreachable routes depend on matches only, so report them with the other problems.
        problems, seams = [*error.problems, *unreachable(error.seams)], error.seams
    # Here, because the frames that belong to the error refer to the routes.
    free_in_parts(seams)
    raise TableError(file, tuple(sorted(problems)))


def _load_changed(text: bytes, file: str, before: Loaded) -> Loaded | None:
    """The table, if it is valid and has enough in common with the one before."""
    parsed = None if before.known is None else parse_changed(text, file, before.known)
    if parsed is None:
        return None
    routes = parsed.table.routes
    index = Index(routes)
    report = run_tests(parsed.table, index)
    # The routes of the table before are all reachable: for that only their matches matter.
    is_same = _has_same_matches(before.table, parsed.table)
    is_refused = bool(report.problems(parsed.table) or false_sandboxes(parsed.table))
    if is_refused or (not is_same and unreachable(routes)):
        parts = _parts(parsed.table, parsed.known, index)
        del parsed, index, report, routes
        free_in_parts(parts)
        return None
    is_known = is_same and _has_same_backends(before.table, parsed.table)
    return _loaded(parsed, index, report, before.found if is_known else _found(routes, index))


def _found(routes: Sequence[Route], index: Index) -> Found:
    return Found(changed_pairs(routes, index), misdirected.misdirected(routes, index))


def _loaded(parsed: Parsed, index: Index, report: Report, found: Found) -> Loaded:
    routes = parsed.table.routes
    between = [changed_precedence.warning_of(pair, routes) for pair in found.pairs]
    between += [misdirected.warning_of(each, routes) for each in found.misdirected]
    warnings = tuple(sorted([*parsed.warnings, *between]))
    return Loaded(parsed.table, index, warnings, report, found, parsed.known)


def _has_same_matches(one: RouteTable, other: RouteTable) -> bool:
    if len(one.routes) != len(other.routes):
        return False
    pairs = zip(one.routes, other.routes, strict=True)
    return all(a.matches == b.matches and a.priority == b.priority for a, b in pairs)


def _has_same_backends(one: RouteTable, other: RouteTable) -> bool:
    """Whether the routes, which have the same matches, name the same backends, and have `cors` where they had it."""
    return all(
        a is b or (_backends(a) == _backends(b) and (a.cors is None) == (b.cors is None))
        for a, b in zip(one.routes, other.routes, strict=True)
    )


def _backends(route: Route) -> list[str]:
    return [ref.backend for ref in route.backend_refs]
