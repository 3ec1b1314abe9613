"""Reads one route: checks its block against the names of the table, and builds the route."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from proxy.config import to_error_bodies, to_model
from proxy.config.cohort_rules import cohort_faults
from proxy.config.documents.backends import CohortDoc
from proxy.config.documents.limits import LimitsDoc, TimeoutsDoc
from proxy.config.documents.path_policy import PathPolicyDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.documents.table import HeadDoc
from proxy.config.problems import Problems
from proxy.config.rules import DeclaredNames, reference_faults, route_faults
from proxy.config.sections import ReadBlock
from proxy.config.tree import Position, Tree
from proxy.config.warnings import route_warnings
from proxy.errors import Problem
from proxy.model import ErrorFile, KeyFile, Limits, PathPolicy, Route, Timeouts

_MATCH_KEYS = frozenset(("name", "match", "priority"))


class RouteContext(Struct, frozen=True):
    """Everything outside of a route that its meaning depends on."""

    backends: frozenset[str]
    cohorts: dict[str, CohortDoc]
    timeouts: Timeouts
    limits: Limits
    path_policy: PathPolicy
    errors: to_error_bodies.Docs
    allowed: frozenset[str]
    """The names in `forwarded.allow_headers`."""

    def contains(self, other: "RouteContext") -> bool:
        """Whether a route that is valid in `other` means the same here, but for defaults. Names may have been added."""
        return (
            self.backends >= other.backends
            and self.cohorts.items() >= other.cohorts.items()
            and self.allowed == other.allowed
        )

    def has_defaults_of(self, other: "RouteContext") -> bool:
        """Whether routes get the same values for what they do not say."""
        mine = (self.timeouts, self.limits, self.path_policy, self.errors)
        return mine == (other.timeouts, other.limits, other.path_policy, other.errors)


class ReadRoute(Struct, frozen=True):
    """A valid route."""

    route: Route
    doc: RouteDoc | None
    """Its block, if a test names the route."""
    warnings: tuple[Problem, ...]
    error_files: tuple[ErrorFile, ...]
    key_files: tuple[KeyFile, ...]
    size: int
    """The number of its nodes."""
    timeouts: TimeoutsDoc
    limits: LimitsDoc
    path_policy: PathPolicyDoc
    errors: to_error_bodies.Docs
    """What it says of these four; the rest are defaults."""


class RouteReader:
    """Reads the routes of one table."""

    def __init__(
        self,
        declared: DeclaredNames,
        head: HeadDoc,
        cohorts: dict[str, CohortDoc],
        tested: frozenset[str],
    ) -> None:
        """`tested` are the names of the routes that tests name."""
        self._declared = declared
        models = {name: to_model.cohort(name, doc) for name, doc in cohorts.items()}
        self._builder = to_model.RouteBuilder(head.defaults, models)
        self.tested = tested
        self.context = RouteContext(
            frozenset(declared.backends),
            cohorts,
            self._builder.timeouts,
            self._builder.limits,
            self._builder.path_policy,
            head.defaults.errors,
            frozenset(head.defaults.forwarded.allow_headers),
        )

    def check(self, block: ReadBlock, problems: Problems) -> None:
        """Add the broken rules of a route, and its warnings, to `problems`."""
        for fault in reference_faults(block.value, self._declared):
            problems.add(fault, block.loc)
        if block.doc is None:
            return
        for fault in route_faults(block.doc, block.wrong_keys):
            problems.add(fault, block.loc)
        for fault in cohort_faults(block.doc, self.context.cohorts):
            problems.add(fault, block.loc)
        for fault in route_warnings(block.doc, self.context.allowed):
            problems.add(fault, block.loc)

    def build(self, block: ReadBlock, tree: Tree, warnings: tuple[Problem, ...]) -> ReadRoute:
        """The route of a block without errors."""
        doc = block.doc
        return ReadRoute(
            self._builder.route(doc, tree.position(block.loc).line, _places(block, tree)),
            doc if doc.name in self.tested else None,
            warnings,
            tuple(to_error_bodies.files(doc.errors, (*block.loc, "errors"), tree)),
            tuple(_key_files(block, tree)),
            block.size,
            doc.timeouts,
            doc.limits,
            doc.path_policy,
            doc.errors,
        )

    def with_defaults(self, read: ReadRoute) -> ReadRoute:
        """The route with the defaults of this table."""
        route = replace(
            read.route,
            timeouts=to_model.timeouts(read.timeouts, self.context.timeouts),
            limits=to_model.limits(read.limits, self.context.limits),
            path_policy=to_model.route_path_policy(read.path_policy, self.context.path_policy),
            errors=to_model.errors(read.errors, self.context.errors),
        )
        return replace(read, route=route)


def seam_of(block: ReadBlock, tree: Tree) -> Route | None:
    """The matches of a route that may have errors; None if the matches themselves have one."""
    if block.doc is None or not block.wrong_keys.isdisjoint(_MATCH_KEYS):
        return None
    line = tree.position(block.loc).line
    return to_model.match_only(block.doc, line, _places(block, tree))


def _key_files(block: ReadBlock, tree: Tree) -> Iterator[KeyFile]:
    override = block.doc.override
    if override is not None and override.token_key_file is not None:
        position = tree.position((*block.loc, "override", "token_key_file"))
        yield KeyFile(override.token_key_file, position.line, position.column)


def _places(block: ReadBlock, tree: Tree) -> tuple[Position, ...]:
    """The positions of the matches of a route that has several."""
    count = len(block.doc.match)
    if count < 2:
        return ()
    return tuple(tree.position((*block.loc, "match", at)) for at in range(count))
