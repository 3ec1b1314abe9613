"""A file to a table, with every problem at once."""

from collections.abc import Iterator
from typing import Any

from proxy.config import not_implemented, to_model
from proxy.config.assumptions import Names, assumption_faults, routes_named
from proxy.config.documents.backends import BackendDoc, CohortDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.documents.table import HeadDoc, TestDoc
from proxy.config.faults import Fault
from proxy.config.problems import Complaints
from proxy.config.reader import read_tree
from proxy.config.rules import DeclaredNames, reference_faults, route_faults
from proxy.config.sections import (
    Read,
    check_version,
    read_head,
    read_listed,
    read_named,
)
from proxy.config.shorthand import long_backend, long_route
from proxy.config.tree import Loc, Tree
from proxy.config.warnings import route_warnings
from proxy.errors import Problem, TableError
from proxy.model import TLS_KEYS, Route, RouteTable, TlsFile
from proxy.model.table_test import TableTest

_TAKEN = frozenset(("name", "match", "priority"))


def parse_table(text: bytes, file: str = "routes.yaml") -> tuple[RouteTable, tuple[Problem, ...]]:
    """The table and its warnings. Raises TableError with every problem at once.

    Pure, and bounded: at most 256 MiB and some seconds for any input.
    """
    tree = read_tree(text, file)
    root = check_version(tree, file)
    complaints = Complaints(tree)
    loading = _Loading(tree, root, complaints)
    table = loading.table()
    problems = tuple(sorted(complaints.problems))
    if complaints.errors:
        raise TableError(file, problems, tuple(loading.seams))
    return table, problems


class _Loading:
    """Reads one file. Used once."""

    def __init__(self, tree: Tree, root: dict[str, Any], complaints: Complaints) -> None:
        self._tree = tree
        self._root = root
        self._complaints = complaints
        self._known = DeclaredNames(_keys(root, "backends"), _keys(root, "cohorts"))
        self._unobeyed: list[str] = []
        self._route_names: dict[str, Loc] = {}
        self._tested = routes_named(root.get("tests"))
        self._tested_routes: dict[str, RouteDoc] = {}
        self.seams: list[Route] = []
        """What each route takes, as far as that is right: enough to tell which no request can reach."""

    def table(self) -> RouteTable:
        """The table; worth nothing if there are complaints."""
        root, complaints = self._root, self._complaints
        head = read_head(root, complaints)
        backends = read_named(root, "backends", BackendDoc, complaints, long_backend)
        cohorts = read_named(root, "cohorts", CohortDoc, complaints)
        for name, backend in backends.items():
            self._unobeyed += not_implemented.of_backend(name, backend)
        for name, cohort in cohorts.items():
            self._unobeyed += not_implemented.of_cohort(name, cohort)
        made = {name: to_model.cohort(name, doc) for name, doc in cohorts.items()}
        routes = tuple(self._routes(head, to_model.Maker(head.defaults, made)))
        return RouteTable(
            routes,
            tuple(to_model.backend(name, doc) for name, doc in backends.items()),
            head.kill_switch,
            to_model.explain(head.defaults),
            to_model.forwarded(head.defaults),
            tuple(self._tests()),
            head.test_policy.min_route_coverage / 100,
            tuple(self._unobeyed),
            to_model.listener(head.listener),
            tuple(self._tls_files(backends)),
        )

    def _tls_files(self, backends: dict[str, BackendDoc]) -> Iterator[TlsFile]:
        for name, doc in backends.items():
            for key in TLS_KEYS:
                path = None if doc.tls is None else getattr(doc.tls, key)
                if path is not None:
                    place = self._tree.place(("backends", name, "tls", key))
                    yield TlsFile(name, key, path, place.line, place.column)

    def _routes(self, head: HeadDoc, maker: to_model.Maker) -> Iterator[Route]:
        complaints = self._complaints
        allowed = frozenset(head.defaults.forwarded.allow_headers)
        self._some_routes()
        for read in read_listed(self._root, "routes", RouteDoc, complaints, long_route):
            self._name(read)
            for fault in reference_faults(read.value, self._known):
                complaints.add(fault, read.loc)
            if read.doc is None:
                continue
            for fault in route_faults(read.doc, read.wrong_keys):
                complaints.add(fault, read.loc)
            for fault in route_warnings(read.doc, allowed):
                complaints.add(fault, read.loc)
            line = self._tree.place(read.loc).line
            if not complaints.errors:
                self._unobeyed += not_implemented.of_route(read.doc)
                made = maker.route(read.doc, line)
                self.seams.append(made)
                yield made
            elif read.wrong_keys.isdisjoint(_TAKEN):
                self.seams.append(to_model.seam(read.doc, line))
            if not read.wrong_keys and read.doc.name in self._tested:
                self._tested_routes[read.doc.name] = read.doc

    def _some_routes(self) -> None:
        if self._root.get("routes", ()) == []:
            fault = Fault(("routes",), "there are no routes", "write `- name: …`")
            self._complaints.add(fault)
        if "routes" not in self._root:
            self._complaints.add(Fault((), "`routes` is missing", "add `routes:`"))

    def _name(self, read: Read) -> None:
        name = read.value.get("name")
        if not isinstance(name, str):
            return
        if name in self._route_names:
            first = self._tree.place(self._route_names[name]).line
            text = f"there is a route `{name}` already, in line {first}"
            self._complaints.add(Fault(("name",), text, "give each its own name"), read.loc)
        else:
            self._route_names[name] = read.loc

    def _tests(self) -> Iterator[TableTest]:
        complaints = self._complaints
        names = Names(self._route_names, self._known.backends, self._tested_routes)
        seen: set[str] = set()
        for read in read_listed(self._root, "tests", TestDoc, complaints):
            if read.doc is None:
                continue
            if read.doc.name in seen and "name" not in read.wrong_keys:
                text = f"there is a test `{read.doc.name}` already"
                complaints.add(Fault(("name",), text, "give each its own name"), read.loc)
            seen.add(read.doc.name)
            for fault in assumption_faults(read.doc, names):
                complaints.add(fault, read.loc)
            yield to_model.table_test(read.doc, self._tree.place(read.loc))


def _keys(root: dict[str, Any], section: str) -> dict[str, None]:
    """The names that a section defines, right or not."""
    blocks = root.get(section)
    return dict.fromkeys(blocks) if isinstance(blocks, dict) else {}
