"""Where a request goes: the order of the rules is the order of the lines."""

from typing import Literal

import pytest
from msgspec.structs import replace

from proxy.model import (
    ALL_BP,
    DirectResponse,
    Endpoint,
    Mirror,
    Networks,
    Override,
    PathPolicy,
    Redirect,
    Rewrite,
    Route,
)
from proxy.model.match import PathMatch
from proxy.model.stage import Stage
from proxy.routing.decide import drains
from tests.make import decided, exact, facts, prefix, refs, rewriting, route, table, template

TENANT = PathMatch("template", "/api/{t}/orders", tail=True)
SPLIT = route(to=refs(legacy=80, new=20))
CANARY = route(to=refs(legacy=80, new=20), stage="canary")


@pytest.mark.parametrize(
    ("wanted", "killed", "draw_bp", "backend", "reason"),
    [
        pytest.param(route(), False, 0, "legacy", "only", id="a lone reference"),
        pytest.param(SPLIT, False, 1999, "new", "draw", id="a draw just inside the weight"),
        pytest.param(SPLIT, False, 2000, "legacy", "draw", id="on the edge is outside"),
        pytest.param(
            SPLIT, True, 0, "new", "draw", id="the kill switch leaves a route without stage"
        ),
        pytest.param(CANARY, False, 0, "new", "draw", id="canary by draw"),
        pytest.param(CANARY, True, 0, "legacy", "kill_switch", id="the kill switch stops a canary"),
        pytest.param(
            route(to=refs(legacy=100, new=0), stage="legacy"),
            False,
            0,
            "legacy",
            "stage",
            id="legacy",
        ),
        pytest.param(
            route(to=refs(legacy=100, new=0), stage="shadow"),
            False,
            0,
            "legacy",
            "stage",
            id="shadow",
        ),
        pytest.param(
            route(to=refs(legacy=0, new=100), stage="live"), False, 9999, "new", "stage", id="live"
        ),
        pytest.param(
            route(to=refs(legacy=0, new=100), stage="live"),
            True,
            9999,
            "legacy",
            "kill_switch",
            id="the kill switch takes back what is live",
        ),
        pytest.param(
            route(to=refs(a=50, b=30, c=20)),
            False,
            1999,
            "c",
            "draw",
            id="the last of three comes first",
        ),
        pytest.param(
            route(to=refs(a=50, b=30, c=20)), False, 2000, "b", "draw", id="then the second"
        ),
        pytest.param(
            route(to=refs(a=50, b=30, c=20)), False, 5000, "a", "draw", id="then the first"
        ),
    ],
)
def test_a_request_goes_to(
    wanted: Route, killed: bool, draw_bp: int, backend: str, reason: str
) -> None:
    decision = decided(table(wanted, kill_switch=killed), wanted, facts(), draw_bp)
    assert (decision.backend, decision.reason) == (backend, reason)


def test_raising_a_weight_never_moves_anyone_back() -> None:
    for draw_bp in range(0, ALL_BP, 29):
        sides = []
        for weight in range(101):
            wanted = route(to=refs(legacy=100 - weight, new=weight))
            sides.append(decided(table(wanted), wanted, facts(), draw_bp).backend == "new")
        assert sides == sorted(sides)


def test_a_weight_of_zero_takes_nothing_and_of_a_hundred_takes_all() -> None:
    for newcomer, expected in ((0, {"legacy"}), (100, {"new"})):
        wanted = route(to=refs(legacy=100 - newcomer, new=newcomer))
        got = {decided(table(wanted), wanted, facts(), bp).backend for bp in range(0, ALL_BP, 50)}
        assert got == expected


@pytest.mark.parametrize(
    ("answering", "reason"),
    [
        (Route("d", route().matches, direct_response=DirectResponse(501)), "direct_response"),
        (Route("r", route().matches, redirect=Redirect(308, path="/x")), "redirect"),
        (
            Route("g", route().matches, stage="retired", direct_response=DirectResponse(410)),
            "retired",
        ),
    ],
)
def test_the_facade_answers_by_itself(answering: Route, reason: str) -> None:
    decision = decided(table(answering, kill_switch=True), answering, facts(), 0)
    assert (decision.backend, decision.reason) == (None, reason)


@pytest.mark.parametrize(
    ("stage", "mirror", "method", "weights", "mirrored_to"),
    [
        ("legacy", True, "GET", (100, 0), ()),
        ("shadow", False, "GET", (100, 0), ("new",)),
        ("shadow", True, "POST", (100, 0), ()),
        ("canary", True, "GET", (99, 1), ("new",)),
        ("canary", False, "GET", (99, 1), ()),
        ("canary", True, "HEAD", (1, 99), ()),
        ("live", True, "GET", (0, 100), ("legacy",)),
        ("live", False, "GET", (0, 100), ()),
    ],
)
def test_a_copy_goes_to(
    stage: Stage, mirror: bool, method: str, weights: tuple[int, int], mirrored_to: tuple[str, ...]
) -> None:
    wanted = route(to=refs(legacy=weights[0], new=weights[1]), stage=stage)
    wanted = replace(wanted, mirror=Mirror() if mirror else None)
    request = facts(method=method)
    assert decided(table(wanted), wanted, request, 5000).mirrored_to == mirrored_to
    assert decided(table(wanted, kill_switch=True), wanted, request, 5000).mirrored_to == ()


SANDBOX = Endpoint("http", "sandbox", 80)


@pytest.mark.parametrize(
    ("stage", "mirror", "method", "mirrored_to"),
    [
        ("shadow", Mirror(0), "GET", ()),
        ("shadow", Mirror(sandbox=SANDBOX), "POST", ("new",)),
        ("canary", Mirror(sandbox=SANDBOX), "POST", ("new",)),
        ("live", Mirror(sandbox=SANDBOX), "POST", ()),
        ("live", Mirror(sandbox=SANDBOX), "GET", ("legacy",)),
        ("legacy", Mirror(sandbox=SANDBOX), "GET", ()),
    ],
)
def test_writes_are_copied_to_the_sandbox_of_the_newcomer(
    stage: Stage, mirror: Mirror, method: str, mirrored_to: tuple[str, ...]
) -> None:
    weights = {"canary": (99, 1), "live": (0, 100)}.get(stage, (100, 0))
    wanted = route(to=refs(legacy=weights[0], new=weights[1]), stage=stage)
    wanted = replace(wanted, mirror=mirror)
    request = facts(method=method)
    assert decided(table(wanted), wanted, request, 5000).mirrored_to == mirrored_to


@pytest.mark.parametrize(("stage", "served"), [("shadow", "new"), ("live", "legacy")])
def test_a_request_that_its_client_sends_elsewhere_is_not_copied(stage: Stage, served: str) -> None:
    weights = (0, 100) if stage == "live" else (100, 0)
    wanted = route(to=refs(legacy=weights[0], new=weights[1]), stage=stage)
    override = Override("header", "x-to", Networks(("0.0.0.0/0",)))
    wanted = replace(wanted, mirror=Mirror(), override=override)
    request = facts(headers={"x-to": served})
    decision = decided(table(wanted), wanted, request, 0)
    assert (decision.backend, decision.mirrored_to) == (served, ())


@pytest.mark.parametrize(
    ("path", "rewrite", "sent", "asked"),
    [
        (None, None, "/x", b"/x"),
        (prefix("/api"), Rewrite(prefix="/v1"), "/api/x", b"/v1/x"),
        (None, Rewrite(prefix="/v1"), "/x", b"/v1/x"),
        (
            PathMatch("prefix", "/Api", ignore_case=True),
            Rewrite(prefix="/v1"),
            "/aPI/X%2fy",
            b"/v1/X%2fy",
        ),
        (
            PathMatch("template", "/Api/{id}", ignore_case=True),
            Rewrite(template="/v1/{id}"),
            "/aPI/iD",
            b"/v1/iD",
        ),
        (exact("/api"), Rewrite(full_path="/é"), "/api", b"/%C3%A9"),
        (template("/a/{id}"), Rewrite(template="/b/{id}/c"), "/a/7", b"/b/7/c"),
        (TENANT, Rewrite(template="/o/{t}/**"), "/api/x/orders", b"/o/x"),
        (TENANT, Rewrite(template="/o/{t}/**"), "/api/x/orders/", b"/o/x/"),
        (TENANT, Rewrite(template="/o/{t}/**"), "/api/x/orders/7//%2f;p", b"/o/x/7//%2f;p"),
        (
            TENANT,
            Rewrite(template="/o/{t}/**"),
            "/api/x;a/orders;jsessionid=1",
            b"/o/x;jsessionid=1",
        ),
        (TENANT, Rewrite(template="/**"), "/api/x/orders/7", b"/7"),
        (TENANT, Rewrite(template="/**"), "/api/x/orders", b"/"),
        (TENANT, Rewrite(template="/**"), "/api/x/orders;a=1/7", b"/;a=1/7"),
        (TENANT, Rewrite(template="/o/{t}"), "/api/x/orders/7", b"/o/x"),
        (prefix("/api"), Rewrite(template="/o/**"), "/api/7", b"/o/7"),
        (prefix("/api"), Rewrite(prefix="/"), "/api;a=1/7", b"/;a=1/7"),
        (prefix("/api"), Rewrite(hostname="x.internal"), "/api", b"/api"),
    ],
)
def test_a_backend_is_asked_for(
    path: object, rewrite: Rewrite | None, sent: str, asked: bytes
) -> None:
    to = rewriting(rewrite) if rewrite else refs(legacy=100)
    wanted = route(path=path, to=to)  # type: ignore[arg-type]
    assert decided(table(wanted), wanted, facts(sent), 0).upstream_path == asked


def test_the_path_goes_on_as_the_policy_of_the_route_says() -> None:
    to = rewriting(Rewrite(prefix="/v1"))
    wanted = replace(
        route(path=prefix("/api"), to=to), path_policy=PathPolicy(double_slash="merge")
    )
    assert decided(table(wanted), wanted, facts("//api//x"), 0).upstream_path == b"/v1/x"


def test_parameters_go_to_no_backend_that_gets_none() -> None:
    both = route(path=prefix("/api"), to=refs(legacy=50, new=50))
    of = replace(table(both), without_parameters=frozenset(("new",)))
    sent = facts("/api;jsessionid=A1/x")
    assert decided(of, both, sent, 0).upstream_path == b"/api/x"
    assert decided(of, both, sent, 9_999).upstream_path == b"/api;jsessionid=A1/x"


def test_a_retired_route_keeps_its_backends_for_the_way_back() -> None:
    gone = replace(CANARY, stage="retired", direct_response=DirectResponse(410))
    assert decided(table(gone), gone, facts(), 0).reason == "retired"
    assert decided(table(gone), gone, facts(), 0).ref is None
    assert decided(table(gone, kill_switch=True), gone, facts(), 0).backend == "legacy"


@pytest.mark.parametrize(
    ("now", "tunnels", "ends"),
    [
        pytest.param(route("r", to=refs(a=0, b=100)), "drain", True, id="no weight"),
        pytest.param(route("r", to=refs(a=1, b=99)), "drain", False, id="some weight"),
        pytest.param(route("r", to=refs(b=100)), "drain", True, id="one other backend"),
        pytest.param(route("r", to=refs(a=100)), "drain", False, id="the only backend"),
        pytest.param(route("r", to=refs(a=100), stage="retired"), "drain", True, id="local reply"),
        pytest.param(route("r", to=refs(a=0, b=100)), "keep", False, id="kept"),
        pytest.param(route("other", to=refs(a=100)), "drain", True, id="the route is gone"),
        pytest.param(route("other", to=refs(a=100)), "keep", False, id="gone, and kept"),
    ],
)
def test_a_tunnel_drains_if_its_route_sends_nothing_more_to_its_backend(
    now: Route, tunnels: Literal["keep", "drain"], ends: bool
) -> None:
    before = replace(route("r", to=refs(a=100)), tunnels=tunnels)
    assert drains(table(replace(now, tunnels=tunnels)), before, "a") is ends
