"""A table's own tests, run through the functions that live traffic goes through (rule 9)."""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import Problem
from proxy.http1.local_reply import OPTIONS_REPLY
from proxy.model import ALL_BP, BackendRef, Decision, Facts, Route, RouteTable
from proxy.model.stage import Stage
from proxy.model.table_test import Expectation, Given, TableTest
from proxy.routing.decide import decide
from proxy.routing.direct_response import direct_response
from proxy.routing.facts import Networks, read_facts
from proxy.routing.match import Index
from proxy.routing.resolve import resolve

_UNSAID = (
    "what it expects depends on the stage or weights of `{}`, which a shift changes: "
    "add `given: {{stage: …, weights: {{…}}}}`"
)


class Outcome(Struct, frozen=True):
    """What a table does with one request. A status only where the facade answers by itself."""

    route: Route | None
    decision: Decision | None = None
    status: int | None = None
    location: str | None = None


class TestResult(Struct, frozen=True):
    """One test, and why it fails; empty if it holds."""

    test: TableTest
    route: str | None
    failures: tuple[str, ...]


class Report(Struct, frozen=True):
    """All verdicts, and the share of routes that a holding test reaches, in per cent."""

    verdicts: tuple[TestResult, ...]
    coverage: float
    uncovered: tuple[str, ...]

    def problems(self, table: RouteTable) -> list[Problem]:
        """What refuses the table: each failing test, and a coverage below the minimum."""
        found = [
            Problem(
                verdict.test.line,
                verdict.test.column,
                f"test {verdict.test.name!r} fails: {'; '.join(verdict.failures)}",
                "mend the route or the test",
            )
            for verdict in self.verdicts
            if verdict.failures
        ]
        if self.coverage < table.min_route_coverage:
            found.append(
                Problem(
                    0,
                    0,
                    f"the tests reach {self.coverage:g} % of the routes, test_policy.min_route_coverage "
                    f"wants {table.min_route_coverage:g} %",
                    f"add a test for {', '.join(self.uncovered[:5])}",
                )
            )
        return found


def run_tests(table: RouteTable, index: Index) -> Report:
    """Every test of the table, against `index` as it was built from that table."""
    trusted = Networks(table.forwarded.trusted_proxies)
    verdicts = tuple(_run(table, index, test, trusted) for test in table.tests)
    reached = {verdict.route for verdict in verdicts if not verdict.failures}
    names = [route.name for route in table.routes]
    uncovered = tuple(name for name in names if name not in reached)
    coverage = 100 * (len(names) - len(uncovered)) / len(names) if names else 100.0
    return Report(verdicts, coverage, uncovered)


def facts_of(test: TableTest, trusted: Networks) -> Facts:
    """The request that a test describes."""
    headers = [(b"host", test.host.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in test.headers]
    if test.cookies:
        cookies = "; ".join(f"{name}={value}" for name, value in test.cookies)
        headers.append((b"cookie", cookies.encode()))
    return read_facts(test.method, test.path.encode(), headers, test.client, "http", trusted)


def _run(table: RouteTable, index: Index, test: TableTest, trusted: Networks) -> TestResult:
    facts = facts_of(test, trusted)
    resolution = resolve(table, index, facts)
    route = resolution.route
    if resolution.error is not None:
        outcome = Outcome(route, status=resolution.error.status)
        return TestResult(test, None, tuple(_differences(test.expect, outcome)))
    if route is None:
        outcome = Outcome(None, status=OPTIONS_REPLY.status)
        return TestResult(test, None, tuple(_differences(test.expect, outcome)))
    failures: dict[str, None] = {}
    held = False
    for decision in _decisions(table, route, test, facts):
        answer = direct_response(decision.route, facts) if decision.ref is None else None
        location = dict(answer.headers).get(b"location", b"").decode() if answer else None
        outcome = Outcome(route, decision, answer.status if answer else None, location)
        found = tuple(_differences(test.expect, outcome))
        held = held or not found
        failures.update(dict.fromkeys(found))
    if failures and held and not _assumes(test.given):
        return TestResult(test, route.name, (_UNSAID.format(route.name),))
    return TestResult(test, route.name, tuple(failures))


def _decisions(
    table: RouteTable, route: Route, test: TableTest, facts: Facts
) -> Iterator[Decision]:
    """The decision for the test; where it does not say what it assumes, each that a shift could lead to.

    Only so can no shift, rollback or kill switch ever be refused by a test.
    """
    given = test.given
    table = replace(table, kill_switch=bool(given.kill_switch))
    if _assumes(given) or len(route.backend_refs) < 2:
        route = as_given(route, given)
        for bucket_bp in _buckets(route.backend_refs, test.bucket_bp):
            yield decide(table, route, facts, bucket_bp)
        return
    for alone in route.backend_refs:
        refs = tuple(replace(r, weight_bp=ALL_BP if r is alone else 0) for r in route.backend_refs)
        stage = None if route.stage is None else _stage_for(route.stage, refs[-1].weight_bp)
        yield decide(table, replace(route, backend_refs=refs, stage=stage), facts, 0)


def _assumes(given: Given) -> bool:
    return given.stage is not None or given.weights_bp is not None or bool(given.kill_switch)


def _buckets(refs: Sequence[BackendRef], bucket_bp: int | None) -> Iterator[int]:
    """The bucket that the test names, or one in each reference's share."""
    if bucket_bp is not None or len(refs) < 2:
        yield bucket_bp or 0
        return
    edge_bp = 0
    for ref in reversed(refs):
        if ref.weight_bp:
            yield edge_bp
        edge_bp += ref.weight_bp


def as_given(route: Route, given: Given) -> Route:
    """`route` with the stage and the weights that a test assumes; weights alone bring the stage they need."""
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
    got: dict[str, object] = {
        "route": outcome.route.name if outcome.route is not None else None,
        "backend": decision.backend if decision is not None else None,
        "upstream_path": decision.upstream_path.decode("latin-1") if ref and decision else None,
        "upstream_host": rewrite.hostname if rewrite is not None else None,
        "reason": decision.reason if decision is not None else None,
        "status": outcome.status,
        "location": outcome.location,
        "mirrored_to": decision.mirrored_to if decision is not None else (),
    }
    for field, value in got.items():
        wanted = getattr(expect, field)
        if wanted is not None and wanted != value:
            yield f"expected {field} {_shown(wanted)}, got {_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "none" if value is None else str(value)
