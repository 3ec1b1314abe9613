"""(route, facts, draw) -> Decision. The order of the rules is the order of the lines."""

from proxy.model import SAFE_METHODS, BackendRef, Decision, Facts, Rewrite, Route, RouteTable
from proxy.routing.paths import fill_template, replace_prefix, to_wire

Choice = tuple[int, str]
"""Which of a route's references, by its place, -1 for none; and why, in one word."""


def decide(table: RouteTable, route: Route, facts: Facts, draw_bp: int) -> Decision:
    """Where a request that `route` takes goes.

    `draw_bp` is one uniform number from [0, 10,000) for each request. `explain`, `check` and `plan` call this.
    Live traffic caches `fixed_choice` and `decision_for`; only the draw is made for each request.
    """
    return decision_for(route, facts, fixed_choice(table, route) or weighted_choice(route, draw_bp))


def fixed_choice(table: RouteTable, route: Route) -> Choice | None:
    """What is chosen for every request that `route` takes; None where the draw has to say.

    The order: kill switch, an answer of the facade's own, a lone reference, stage.
    """
    refs, stage = route.backend_refs, route.stage
    if stage is not None and table.kill_switch and refs:
        return 0, "kill_switch"
    if not refs or stage == "retired":
        return -1, _own_answer(route)
    if len(refs) == 1:
        return 0, "only"
    if stage is None or stage == "canary":
        return None
    return 1 if stage == "live" else 0, "stage"


def weighted_choice(route: Route, draw_bp: int) -> Choice:
    """The last reference takes the buckets from 0 up to its weight, the one before it the next ones, and so on.

    So a newcomer, written after its incumbent, has all `bucket < weight`: raising its weight only ever
    moves requests towards it (rule 3).
    """
    refs, edge_bp = route.backend_refs, 0
    for at in range(len(refs) - 1, 0, -1):
        edge_bp += refs[at].weight_bp
        if draw_bp < edge_bp:
            return at, "draw"
    return 0, "draw"


def decision_for(route: Route, facts: Facts, choice: Choice) -> Decision:
    """The half that follows from the request and what was chosen for it."""
    at, reason = choice
    if at < 0:
        return Decision(route, reason)
    ref = route.backend_refs[at]
    mirrored = route.stage is not None and reason != "kill_switch"
    return Decision(
        route,
        reason,
        ref,
        upstream_path(route, ref.rewrite, facts.path),
        _mirrored_to(route, facts.method, ref) if mirrored else (),
    )


def _own_answer(route: Route) -> str:
    if route.redirect is not None:
        return "redirect"
    return "retired" if route.stage == "retired" else "direct_response"


def _mirrored_to(route: Route, method: str, chosen: BackendRef) -> tuple[str, ...]:
    """Who gets a copy: never a write (rule 5), never the one who serves."""
    if method not in SAFE_METHODS or len(route.backend_refs) != 2:
        return ()
    incumbent, newcomer = route.backend_refs
    match route.stage:
        case "shadow":
            return (newcomer.backend,)
        case "canary" if route.mirror is not None and chosen is incumbent:
            return (newcomer.backend,)
        case "live" if route.mirror is not None:
            return (incumbent.backend,)
        case _:
            return ()


def upstream_path(route: Route, rewrite: Rewrite | None, path: bytes) -> bytes:
    """The raw path that a backend is asked for a request that `route` has taken."""
    if rewrite is None:
        return path
    pattern = route.match.path.value if route.match.path is not None else "/"
    if rewrite.prefix is not None:
        return replace_prefix(path, pattern, rewrite.prefix)
    if rewrite.full_path is not None:
        return to_wire(rewrite.full_path)
    if rewrite.template is not None:
        return fill_template(path, rewrite.template, pattern)
    return path
