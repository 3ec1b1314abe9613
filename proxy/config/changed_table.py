"""Loads a table of which most routes are known: only the others, and the rest of the file, are parsed (ADR 26). Pure.

The result is the one of `loader.parse`, or None where that is not certain. A text with any error is not certain, so
all error texts have one home.
"""

from collections.abc import Iterator

from proxy.config.documents.routes import RouteDoc
from proxy.config.known_routes import KnownRoute, KnownRoutes, keys_agree
from proxy.config.loader import Parsed
from proxy.config.problems import MAX_PROBLEMS, Problems
from proxy.config.reader import MAX_BYTES, MAX_NODES, read_tree
from proxy.config.route_reader import RouteReader
from proxy.config.sections import MAX_BLOCKS, check_version, read_block, size_of
from proxy.config.separate import NotCertain, Separated, read_route, separate
from proxy.config.shorthand import long_route
from proxy.config.table_builder import TableBuilder
from proxy.config.tree import Loc
from proxy.errors import Problem, TableError
from proxy.model import ErrorFile, KeyFile, Route

_FEWEST_KNOWN = 2
"""One in so many routes has to be known. Parsing many routes one by one takes longer than parsing the whole text."""


def parse_changed(text: bytes, file: str, known: KnownRoutes) -> Parsed | None:
    """The table in `text`; None if the text has to be parsed as a whole."""
    parts = separate(text, known.by_text) if len(text) <= MAX_BYTES else None
    if parts is None or len(parts.routes) > MAX_BLOCKS["routes"]:
        return None
    if _FEWEST_KNOWN * sum(map(known.by_text.__contains__, parts.routes)) < len(parts.routes):
        return None
    try:
        return _parse(parts, file, known)
    except (TableError, NotCertain):
        return None


def _parse(parts: Separated, file: str, known: KnownRoutes) -> Parsed:
    tree = read_tree(parts.outline, file)
    root = check_version(tree, file)
    if not tree.separable or not keys_agree(parts, tree):
        raise NotCertain
    problems = Problems(tree)
    routes = _SeparateRoutes(parts, file, known)
    table = TableBuilder(tree, root, problems, routes).table()
    warnings = tuple(sorted([*problems.listed, *routes.warnings]))
    nodes = tree.root.size + routes.nodes
    if problems.errors or len(warnings) >= MAX_PROBLEMS or nodes > MAX_NODES:
        raise NotCertain
    return Parsed(table, warnings, KnownRoutes(routes.context, routes.by_text, nodes))


class _SeparateRoutes:
    """The routes of a text in parts: those that are known, and others, each parsed by itself."""

    def __init__(self, parts: Separated, file: str, known: KnownRoutes) -> None:
        self._parts = parts
        self._file = file
        self._known = known
        self.context = known.context
        self.names: dict[str, Loc] = {}
        self.tested: dict[str, RouteDoc] = {}
        self.error_files: list[ErrorFile] = []
        self.key_files: list[KeyFile] = []
        self.warnings: list[Problem] = []
        self.nodes = 0
        self.by_text: dict[bytes, KnownRoute] = {}

    def read(self, reader: RouteReader) -> Iterator[Route]:
        """The routes. Raises TableError or NotCertain for one with an error."""
        if not reader.context.contains(self._known.context):
            raise NotCertain
        same_defaults = reader.context.has_defaults_of(self._known.context)
        self.context = reader.context
        for text, line in zip(self._parts.routes, self._parts.lines, strict=True):
            known = self._known.by_text.get(text)
            if known is None or (known.read.doc is not None) != (_name(known) in reader.tested):
                known = self._parsed(text, line, reader)
            elif not same_defaults:
                known = KnownRoute(reader.with_defaults(known.read), known.line)
            known = self.by_text[text] = known.moved_to(line)
            self._add(known)
            yield known.read.route

    def _add(self, known: KnownRoute) -> None:
        read, name = known.read, _name(known)
        if name in self.names:
            raise NotCertain
        self.names[name] = ()
        if read.doc is not None:
            self.tested[name] = read.doc
        self.error_files += read.error_files
        self.key_files += read.key_files
        self.warnings += read.warnings
        self.nodes += read.size

    def _parsed(self, text: bytes, line: int, reader: RouteReader) -> KnownRoute:
        """The route in `text`, which is a list of one item."""
        tree, value = read_route(text, self._file)
        loc: Loc = (0,)
        problems = Problems(tree)
        block = read_block(long_route(value), loc, RouteDoc, problems, size_of(value))
        reader.check(block, problems)
        if problems.errors:
            raise NotCertain
        return KnownRoute(reader.build(block, tree, tuple(problems.listed)), 0)


def _name(known: KnownRoute) -> str:
    return known.read.route.name
