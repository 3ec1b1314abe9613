"""Builds a table from the tree of a file and from its routes, and collects every problem."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from proxy.config import to_backend, to_error_bodies, to_model
from proxy.config.assumptions import KnownNames, assumption_faults, routes_named
from proxy.config.cookie_rules import cookie_faults
from proxy.config.documents.backends import BackendDoc, CohortDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.documents.table import HeadDoc, TestDoc
from proxy.config.faults import Fault
from proxy.config.field_warnings import allowed_fields, backend_fields
from proxy.config.path_rules import without_parameters
from proxy.config.problems import Problems
from proxy.config.route_reader import RouteReader
from proxy.config.rules import DeclaredNames
from proxy.config.sections import read_head, read_listed, read_named
from proxy.config.shorthand import long_backend
from proxy.config.tree import Loc, Tree
from proxy.config.warnings import error_warnings
from proxy.model import TLS_KEYS, ErrorFile, KeyFile, Route, RouteTable, TlsFile
from proxy.model.table_test import TableTest


class RouteSource(Protocol):
    """The routes of a table: all in one tree (`loader`), or each in a text of its own (`changed_table`)."""

    names: dict[str, Loc]
    tested: dict[str, RouteDoc]
    """The blocks of the routes that tests name."""
    error_files: list[ErrorFile]
    key_files: list[KeyFile]

    def read(self, reader: RouteReader) -> Iterator[Route]:
        """The routes in the order of the file. The attributes are complete at the end."""
        ...


class TableBuilder:
    """Builds one table. Used once."""

    def __init__(
        self, tree: Tree, root: dict[str, Any], problems: Problems, routes: RouteSource
    ) -> None:
        self._tree = tree
        self._root = root
        self._problems = problems
        self._routes = routes
        self._declared = DeclaredNames(_keys(root, "backends"), _keys(root, "cohorts"))

    def table(self) -> RouteTable:
        """The table. It is incomplete if there are errors."""
        root, problems = self._root, self._problems
        head = read_head(root, problems)
        backends = read_named(root, "backends", BackendDoc, problems, long_backend)
        cohort_docs = read_named(root, "cohorts", CohortDoc, problems)
        for loc, fault in cookie_faults(backends, cohort_docs):
            problems.add(fault, loc)
        for fault in error_warnings(head.defaults.errors, ("defaults", "errors")):
            problems.add(fault)
        for fault in _field_warnings(head, backends):
            problems.add(fault)
        tested = routes_named(root.get("tests"))
        reader = RouteReader(self._declared, head, cohort_docs, tested)
        routes = tuple(self._routes.read(reader))
        cohorts = [to_model.cohort(name, doc) for name, doc in cohort_docs.items()]
        return RouteTable(
            routes,
            to_backend.without_facade_fields(
                to_backend.without_foreign_cookies(
                    tuple(to_backend.backend(name, doc) for name, doc in backends.items())
                ),
                cohorts,
                routes,
            ),
            head.kill_switch,
            to_model.explain(head.defaults),
            to_model.forwarded(head.defaults),
            tuple(self._tests()),
            head.test_policy.min_route_coverage / 100,
            to_model.listener(head.listener),
            tuple(self._tls_files(backends)),
            to_error_bodies.model(head.defaults.errors),
            tuple(self._error_files(head)),
            tuple(self._key_files(cohort_docs)),
            without_parameters=without_parameters(
                backends, ([ref.backend for ref in each.backend_refs] for each in routes)
            ),
        )

    def _error_files(self, head: HeadDoc) -> Iterable[ErrorFile]:
        """Each file once, with the first place that names it."""
        of_defaults = to_error_bodies.files(
            head.defaults.errors, ("defaults", "errors"), self._tree
        )
        files: dict[str, ErrorFile] = {}
        for file in (*of_defaults, *self._routes.error_files):
            files.setdefault(file.path, file)
        return files.values()

    def _key_files(self, cohorts: dict[str, CohortDoc]) -> Iterable[KeyFile]:
        """Each file once, with the first place that names it."""
        files: dict[str, KeyFile] = {}
        for name, doc in cohorts.items():
            written = doc.read_your_writes
            if written is not None and written.key_file is not None:
                at = ("cohorts", name, "read_your_writes", "key_file")
                position = self._tree.position(at)
                file = KeyFile(written.key_file, position.line, position.column)
                files.setdefault(file.path, file)
        for file in self._routes.key_files:
            files.setdefault(file.path, file)
        return files.values()

    def _tls_files(self, backends: dict[str, BackendDoc]) -> Iterator[TlsFile]:
        for name, doc in backends.items():
            for key in TLS_KEYS:
                path = None if doc.tls is None else getattr(doc.tls, key)
                if path is not None:
                    position = self._tree.position(("backends", name, "tls", key))
                    yield TlsFile(name, key, path, position.line, position.column)

    def _tests(self) -> Iterator[TableTest]:
        problems, routes = self._problems, self._routes
        names = KnownNames(routes.names, self._declared.backends, routes.tested)
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


def _field_warnings(head: HeadDoc, backends: dict[str, BackendDoc]) -> Iterator[Fault]:
    names = head.defaults.forwarded.allow_headers
    yield from allowed_fields(names)
    for name, doc in backends.items():
        yield from backend_fields(doc.headers, ("backends", name), frozenset(names))


def _keys(root: dict[str, Any], section: str) -> dict[str, None]:
    """The names that a section declares, valid or not."""
    blocks = root.get(section)
    return dict.fromkeys(blocks) if isinstance(blocks, dict) else {}
