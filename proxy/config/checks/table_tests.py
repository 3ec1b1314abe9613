"""Runs the tests of a table with the functions of live traffic (rule 9)."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import BadRequest, Problem, RequestError
from proxy.http1.local_reply import OPTIONS_REPLY
from proxy.model import (
    ALL_BP,
    Decision,
    Facts,
    Known,
    MatchedRoute,
    Moment,
    Networks,
    Route,
    RouteTable,
)
from proxy.model.stage import Stage
from proxy.model.table_test import Expectation, Given, TableTest
from proxy.routing.cohort import key_of
from proxy.routing.decide import decide
from proxy.routing.direct_response import direct_response
from proxy.routing.facts import read_facts
from proxy.routing.match import Index
from proxy.routing.resolve import resolve

_NO_ASSUMPTION = (
    "what it expects depends on the stage or weights of `{}`, which a shift changes: "
    "add `given: {{stage: …, weights: {{…}}}}`"
)


class Outcome(Struct, frozen=True):
    """The result for one request. `status` and `location` are set for local replies only."""

    route: Route | None
    decision: Decision | None = None
    status: int | None = None
    location: str | None = None


class TestResult(Struct, frozen=True):
    """One test and its failures; none if it passes."""

    test: TableTest
    route: str | None
    failures: tuple[str, ...]


class Report(Struct, frozen=True):
    """All results, and the percentage of routes that a passing test reaches."""

    results: tuple[TestResult, ...]
    coverage: float
    uncovered: tuple[str, ...]

    def problems(self, table: RouteTable) -> list[Problem]:
        """The errors of the table: each failing test, and a coverage below the minimum."""
        problems = [
            Problem(
                result.test.line,
                result.test.column,
                f"test {result.test.name!r} fails: {'; '.join(result.failures)}",
                "mend the route or the test",
            )
            for result in self.results
            if result.failures
        ]
        if self.coverage < table.min_route_coverage:
            problems.append(
                Problem(
                    0,
                    0,
                    f"the tests reach {self.coverage:g} % of the routes, test_policy.min_route_coverage "
                    f"wants {table.min_route_coverage:g} %",
                    f"add a test for {', '.join(self.uncovered[:5])}",
                )
            )
        return problems


def run_tests(table: RouteTable, index: Index) -> Report:
    """Run every test of `table`. `index` is the index of that table."""
    trusted = Networks(table.forwarded.trusted_proxies)
    results = tuple(_run(table, index, test, trusted) for test in table.tests)
    reached = {result.route for result in results if not result.failures}
    names = [route.name for route in table.routes]
    uncovered = tuple(name for name in names if name not in reached)
    coverage = 100 * (len(names) - len(uncovered)) / len(names) if names else 100.0
    return Report(results, coverage, uncovered)


def facts_of_test(test: TableTest, trusted: Networks) -> Facts:
    """The request that a test describes."""
    headers = [(b"host", test.host.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in test.headers]
    if test.cookies:
        cookies = "; ".join(f"{name}={value}" for name, value in test.cookies)
        headers.append((b"cookie", cookies.encode()))
    return read_facts(test.method, test.path.encode(), headers, test.client, test.scheme, trusted)


def _run(table: RouteTable, index: Index, test: TableTest, trusted: Networks) -> TestResult:
    try:
        facts = facts_of_test(test, trusted)
    except RequestError as error:
        outcome = Outcome(None, status=error.status)
        return TestResult(test, None, tuple(_differences(test.expect, outcome)))
    resolution = resolve(index, facts)
    matched, route = resolution.matched, resolution.route
    if resolution.error is not None:
        outcome = Outcome(route, status=resolution.error.status)
        return TestResult(test, None, tuple(_differences(test.expect, outcome)))
    if matched is None or route is None:
        outcome = Outcome(None, status=OPTIONS_REPLY.status)
        return TestResult(test, None, tuple(_differences(test.expect, outcome)))
    failures: dict[str, None] = {}
    passed = False
    for outcome in _outcomes(table, matched, test, facts):
        differences = tuple(_differences(test.expect, outcome))
        passed = passed or not differences
        failures.update(dict.fromkeys(differences))
    if failures and passed and not _assumes(test.given):
        return TestResult(test, route.name, (_NO_ASSUMPTION.format(route.name),))
    return TestResult(test, route.name, tuple(failures))


def _outcome(table: RouteTable, matched: MatchedRoute, facts: Facts, moment: Moment) -> Outcome:
    try:
        decision = decide(table, matched, facts, moment)
        reply = direct_response(decision, facts) if decision.ref is None else None
    except BadRequest as refusal:
        return Outcome(matched.route, status=refusal.status)
    location = dict(reply.headers).get(b"location", b"").decode() if reply else None
    return Outcome(matched.route, decision, reply.status if reply else None, location)


def _outcomes(
    table: RouteTable, matched: MatchedRoute, test: TableTest, facts: Facts
) -> Iterator[Outcome]:
    """The outcome for the test. A test without assumptions is run for each decision that a shift could cause.

    So no test can refuse a shift, a rollback or the kill switch (rule 9).
    """
    given, route = test.given, matched.route
    table = replace(table, kill_switch=bool(given.kill_switch))
    if _assumes(given) or len(route.backend_refs) < 2:
        matched = replace(matched, route=as_given(route, given))
        for known in _known(matched, test, facts):
            yield _outcome(table, matched, facts, Moment(known=known))
        return
    for full in route.backend_refs:
        refs = tuple(replace(r, weight_bp=ALL_BP if r is full else 0) for r in route.backend_refs)
        stage = None if route.stage is None else _stage_for(route.stage, refs[-1].weight_bp)
        shifted = replace(route, backend_refs=refs, stage=stage)
        moment = Moment(known=Known(None, test.override, test.last_write))
        yield _outcome(table, replace(matched, route=shifted), facts, moment)


def _assumes(given: Given) -> bool:
    return given.stage is not None or given.weights_bp is not None or bool(given.kill_switch)


def _known(matched: MatchedRoute, test: TableTest, facts: Facts) -> Iterator[Known]:
    """The bucket of the test, that of the request's key, or one bucket of each reference."""
    route, cohort = matched.route, matched.route.cohort
    has_key = (
        cohort is not None
        and key_of(cohort, matched.match, facts, matched.route.path_policy) is not None
    )
    if test.bucket_bp is not None or has_key or len(route.backend_refs) < 2:
        yield Known(test.bucket_bp, test.override, test.last_write)
        return
    edge_bp = 0
    for ref in reversed(route.backend_refs):
        if ref.weight_bp:
            yield Known(edge_bp, test.override, test.last_write)
        edge_bp += ref.weight_bp


def as_given(route: Route, given: Given) -> Route:
    """`route` with the stage and weights that a test assumes. Weights without a stage imply a stage that fits."""
    refs = route.backend_refs
    if given.weights_bp is not None:
        weights = dict(given.weights_bp)
        refs = tuple(replace(ref, weight_bp=weights.get(ref.backend, 0)) for ref in refs)
    stage = given.stage or route.stage
    if refs and given.stage is None and stage is not None and given.weights_bp is not None:
        stage = _stage_for(stage, refs[-1].weight_bp)
    return replace(route, backend_refs=refs, stage=stage)


def _stage_for(stage: Stage, newcomer_bp: int) -> Stage:
    if newcomer_bp == ALL_BP:
        return "live"
    if newcomer_bp:
        return "canary"
    return stage if stage in ("legacy", "shadow") else "legacy"


def _differences(expect: Expectation, outcome: Outcome) -> Iterator[str]:
    decision = outcome.decision
    ref = decision.ref if decision is not None else None
    rewrite = ref.rewrite if ref is not None else None
    actual: dict[str, object] = {
        "route": outcome.route.name if outcome.route is not None else None,
        "backend": decision.backend if decision is not None else None,
        "upstream_path": _upstream_path(decision, expect.upstream_path or ""),
        "upstream_host": rewrite.hostname if rewrite is not None else None,
        "reason": decision.reason if decision is not None else None,
        "status": outcome.status,
        "location": outcome.location,
        "mirrored_to": decision.mirrored_to if decision is not None else (),
    }
    for field, value in actual.items():
        expected = getattr(expect, field)
        if expected is not None and expected != value:
            yield f"expected {field} {_text_of(expected)}, got {_text_of(value)}"


def _upstream_path(decision: Decision | None, expected: str) -> str | None:
    """With the query that a rewrite makes, if the test expects one."""
    if decision is None or decision.ref is None:
        return None
    path, query = decision.upstream_path, decision.upstream_query
    return (path + b"?" + query if query and "?" in expected else path).decode("latin-1")


def _text_of(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "none" if value is None else str(value)
