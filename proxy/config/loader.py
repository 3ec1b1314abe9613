"""Loads a table from the text of a file, and collects every problem."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault
from proxy.config.known_routes import KnownRoutes, remember
from proxy.config.problems import Problems
from proxy.config.reader import read_tree
from proxy.config.route_reader import ReadRoute, RouteContext, RouteReader, seam_of
from proxy.config.sections import ReadBlock, check_version, read_listed
from proxy.config.shorthand import long_route
from proxy.config.table_builder import TableBuilder
from proxy.config.tree import Loc, Tree
from proxy.errors import Problem, TableError
from proxy.freeing import free_in_parts
from proxy.model import ErrorFile, KeyFile, Route, RouteTable


class Parsed(Struct, frozen=True):
    """A table that can be built, its warnings, and what the next one may use of it."""

    table: RouteTable
    warnings: tuple[Problem, ...]
    known: KnownRoutes | None


def parse_table(text: bytes, file: str = "routes.yaml") -> tuple[RouteTable, tuple[Problem, ...]]:
    """The table and its warnings. Raises TableError with every problem.

    Pure, and bounded: at most 256 MiB and some seconds for any input.
    """
    parsed = parse(text, file)
    return parsed.table, parsed.warnings


def parse(text: bytes, file: str) -> Parsed:
    """As `parse_table`."""
    tree = read_tree(text, file)
    try:
        return _parse(text, file, tree)
    finally:
        tree.free()


def _parse(text: bytes, file: str, tree: Tree) -> Parsed:
    root = check_version(tree, file)
    problems = Problems(tree)
    routes = _ListedRoutes(tree, root, problems)
    table = TableBuilder(tree, root, problems, routes).table()
    listed = tuple(sorted(problems.listed))
    if problems.errors:
        free_in_parts(routes.valid)
        raise TableError(file, listed, routes.seams)
    return Parsed(table, listed, remember(text, tree, routes.valid, routes.context))


class _ListedRoutes:
    """The routes of one tree."""

    def __init__(self, tree: Tree, root: dict[str, Any], problems: Problems) -> None:
        self._tree = tree
        self._root = root
        self._problems = problems
        self.names: dict[str, Loc] = {}
        self.tested: dict[str, RouteDoc] = {}
        self.error_files: list[ErrorFile] = []
        self.key_files: list[KeyFile] = []
        self.seams: list[Route] = []
        """The routes with a valid match: enough to find unreachable ones, although the file has errors."""
        self.valid: list[ReadRoute] = []
        """Every route, if the file has no error."""
        self.context: RouteContext | None = None

    def read(self, reader: RouteReader) -> Iterator[Route]:
        """The routes, until the first error."""
        problems, self.context = self._problems, reader.context
        self._check_that_there_are_routes()
        before = len(problems.listed)
        for block in read_listed(self._root, "routes", RouteDoc, problems, long_route):
            self._check_name(block)
            reader.check(block, problems)
            if block.doc is None:
                continue
            if not problems.errors:
                read = reader.build(block, self._tree, tuple(problems.listed[before:]))
                before = len(problems.listed)
                self.valid.append(read)
                self.error_files += read.error_files
                self.key_files += read.key_files
                self.seams.append(read.route)
                yield read.route
            elif (seam := seam_of(block, self._tree)) is not None:
                self.seams.append(seam)
            if not block.wrong_keys and block.doc.name in reader.tested:
                self.tested[block.doc.name] = block.doc

    def _check_that_there_are_routes(self) -> None:
        if self._root.get("routes", ()) == []:
            fault = Fault(("routes",), "there are no routes", "write `- name: …`")
            self._problems.add(fault)
        if "routes" not in self._root:
            self._problems.add(Fault((), "`routes` is missing", "add `routes:`"))

    def _check_name(self, block: ReadBlock) -> None:
        name = block.value.get("name")
        if not isinstance(name, str):
            return
        if name in self.names:
            first = self._tree.position(self.names[name]).line
            text = f"there is a route `{name}` already, in line {first}"
            self._problems.add(Fault(("name",), text, "give each its own name"), block.loc)
        else:
            self.names[name] = block.loc
