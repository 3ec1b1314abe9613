"""Builds a table from the text of a file, and collects every problem."""

from collections.abc import Iterator
from typing import Any

from proxy.config import not_implemented, to_backend, to_error_bodies, to_model
from proxy.config.assumptions import KnownNames, assumption_faults, routes_named
from proxy.config.cohort_rules import cohort_faults
from proxy.config.cookie_rules import cookie_faults
from proxy.config.documents.backends import BackendDoc, CohortDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.documents.table import HeadDoc, TestDoc
from proxy.config.faults import Fault
from proxy.config.path_rules import without_parameters
from proxy.config.problems import Problems
from proxy.config.reader import read_tree
from proxy.config.rules import DeclaredNames, reference_faults, route_faults
from proxy.config.sections import ReadBlock, check_version, read_head, read_listed, read_named
from proxy.config.shorthand import long_backend, long_route
from proxy.config.tree import Loc, Position, Tree
from proxy.config.warnings import error_warnings, route_warnings
from proxy.errors import Problem, TableError
from proxy.model import TLS_KEYS, ErrorFile, KeyFile, Route, RouteTable, TlsFile, UnimplementedField
from proxy.model.table_test import TableTest

_MATCH_KEYS = frozenset(("name", "match", "priority"))


def parse_table(text: bytes, file: str = "routes.yaml") -> tuple[RouteTable, tuple[Problem, ...]]:
    """The table and its warnings. Raises TableError with every problem.

    Pure, and bounded: at most 256 MiB and some seconds for any input.
    """
    tree = read_tree(text, file)
    root = check_version(tree, file)
    problems = Problems(tree)
    loader = _TableLoader(tree, root, problems)
    table = loader.table()
    listed = tuple(sorted(problems.listed))
    if problems.errors:
        raise TableError(file, listed, tuple(loader.seams))
    return table, listed


class _TableLoader:
    """Loads one file. Used once."""

    def __init__(self, tree: Tree, root: dict[str, Any], problems: Problems) -> None:
        self._tree = tree
        self._root = root
        self._problems = problems
        self._declared = DeclaredNames(_keys(root, "backends"), _keys(root, "cohorts"))
        self._not_implemented: list[UnimplementedField] = []
        self._error_files: dict[str, ErrorFile] = {}
        self._key_files: dict[str, KeyFile] = {}
        self._route_names: dict[str, Loc] = {}
        self._tested = routes_named(root.get("tests"))
        self._tested_routes: dict[str, RouteDoc] = {}
        self.seams: list[Route] = []
        """The routes with a valid match: enough to find unreachable ones, although the file has errors."""

    def table(self) -> RouteTable:
        """The table. It is incomplete if there are errors."""
        root, problems = self._root, self._problems
        head = read_head(root, problems)
        backends = read_named(root, "backends", BackendDoc, problems, long_backend)
        cohort_docs = read_named(root, "cohorts", CohortDoc, problems)
        for loc, fault in cookie_faults(backends):
            problems.add(fault, loc)
        for name, cohort in cohort_docs.items():
            written = cohort.read_your_writes
            at = ("cohorts", name, "read_your_writes", "key_file")
            self._note_key_file(None if written is None else written.key_file, at)
        self._note_error_files(head.defaults.errors, ("defaults", "errors"))
        for fault in error_warnings(head.defaults.errors, ("defaults", "errors")):
            problems.add(fault)
        cohorts = {name: to_model.cohort(name, doc) for name, doc in cohort_docs.items()}
        builder = to_model.RouteBuilder(head.defaults, cohorts)
        routes = tuple(self._routes(head, builder, cohort_docs))
        return RouteTable(
            routes,
            to_backend.without_facade_fields(
                to_backend.without_foreign_cookies(
                    tuple(to_backend.backend(name, doc) for name, doc in backends.items())
                ),
                cohorts.values(),
                routes,
            ),
            head.kill_switch,
            to_model.explain(head.defaults),
            to_model.forwarded(head.defaults),
            tuple(self._tests()),
            head.test_policy.min_route_coverage / 100,
            tuple(self._not_implemented),
            to_model.listener(head.listener),
            tuple(self._tls_files(backends)),
            to_error_bodies.model(head.defaults.errors),
            tuple(self._error_files.values()),
            tuple(self._key_files.values()),
            without_parameters=without_parameters(
                backends, ([ref.backend for ref in each.backend_refs] for each in routes)
            ),
        )

    def _note_error_files(self, docs: to_error_bodies.Docs, at: Loc) -> None:
        for file in to_error_bodies.files(docs, at, self._tree):
            self._error_files.setdefault(file.path, file)

    def _note_key_file(self, path: str | None, at: Loc) -> None:
        if path is not None:
            position = self._tree.position(at)
            self._key_files.setdefault(path, KeyFile(path, position.line, position.column))

    def _tls_files(self, backends: dict[str, BackendDoc]) -> Iterator[TlsFile]:
        for name, doc in backends.items():
            for key in TLS_KEYS:
                path = None if doc.tls is None else getattr(doc.tls, key)
                if path is not None:
                    position = self._tree.position(("backends", name, "tls", key))
                    yield TlsFile(name, key, path, position.line, position.column)

    def _routes(
        self, head: HeadDoc, builder: to_model.RouteBuilder, cohorts: dict[str, CohortDoc]
    ) -> Iterator[Route]:
        problems = self._problems
        allowed = frozenset(head.defaults.forwarded.allow_headers)
        self._check_that_there_are_routes()
        for block in read_listed(self._root, "routes", RouteDoc, problems, long_route):
            self._check_name(block)
            for fault in reference_faults(block.value, self._declared):
                problems.add(fault, block.loc)
            if block.doc is None:
                continue
            for fault in route_faults(block.doc, block.wrong_keys):
                problems.add(fault, block.loc)
            for fault in cohort_faults(block.doc, cohorts):
                problems.add(fault, block.loc)
            for fault in route_warnings(block.doc, allowed):
                problems.add(fault, block.loc)
            line, places = self._tree.position(block.loc).line, self._places(block)
            if not problems.errors:
                self._not_implemented += not_implemented.of_route(block.doc)
                self._note_error_files(block.doc.errors, (*block.loc, "errors"))
                override = block.doc.override
                self._note_key_file(
                    None if override is None else override.token_key_file,
                    (*block.loc, "override", "token_key_file"),
                )
                route = builder.route(block.doc, line, places)
                self.seams.append(route)
                yield route
            elif block.wrong_keys.isdisjoint(_MATCH_KEYS):
                self.seams.append(to_model.match_only(block.doc, line, places))
            if not block.wrong_keys and block.doc.name in self._tested:
                self._tested_routes[block.doc.name] = block.doc

    def _places(self, block: ReadBlock) -> tuple[Position, ...]:
        """The positions of the matches of a route that has several."""
        count = len(block.doc.match)
        if count < 2:
            return ()
        return tuple(self._tree.position((*block.loc, "match", at)) for at in range(count))

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
        if name in self._route_names:
            first = self._tree.position(self._route_names[name]).line
            text = f"there is a route `{name}` already, in line {first}"
            self._problems.add(Fault(("name",), text, "give each its own name"), block.loc)
        else:
            self._route_names[name] = block.loc

    def _tests(self) -> Iterator[TableTest]:
        problems = self._problems
        names = KnownNames(self._route_names, self._declared.backends, self._tested_routes)
        seen: set[str] = set()
        for block in read_listed(self._root, "tests", TestDoc, problems):
            if block.doc is None:
                continue
            if block.doc.name in seen and "name" not in block.wrong_keys:
                text = f"there is a test `{block.doc.name}` already"
                problems.add(Fault(("name",), text, "give each its own name"), block.loc)
            seen.add(block.doc.name)
            for fault in assumption_faults(block.doc, names):
                problems.add(fault, block.loc)
            yield to_model.table_test(block.doc, self._tree.position(block.loc))


def _keys(root: dict[str, Any], section: str) -> dict[str, None]:
    """The names that a section declares, valid or not."""
    blocks = root.get(section)
    return dict.fromkeys(blocks) if isinstance(blocks, dict) else {}
