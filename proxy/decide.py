"""(route, facts, draw) -> Decision. The order of the rules is the order of the lines."""

from proxy.model import SAFE_METHODS, BackendRef, Decision, Facts, Rewrite, Route, RouteTable
from proxy.paths import fill_template, replace_prefix, to_wire


def decide(table: RouteTable, route: Route, facts: Facts, draw_bp: int) -> Decision:
    """Where a request that `route` takes goes.

    `draw_bp` is one uniform number from [0, 10,000) for each request. `explain`, `check`, `plan` and live
    traffic call this same function. The order: an answer of the facade's own, kill switch, a lone
    reference, stage, draw.
    """
    refs = route.backend_refs
    killed = table.kill_switch and route.stage is not None
    if not refs or (route.stage == "retired" and not killed):
        return Decision(route, _own_answer(route))
    bucket_bp: int | None = None
    if killed:
        ref, reason = refs[0], "kill_switch"
    elif len(refs) == 1:
        ref, reason = refs[0], "only"
    elif route.stage in ("legacy", "shadow"):
        ref, reason = refs[0], "stage"
    elif route.stage == "live":
        ref, reason = refs[1], "stage"
    else:
        bucket_bp = draw_bp
        ref, reason = _by_bucket(refs, bucket_bp), "draw"
    return Decision(
        route,
        reason,
        ref,
        upstream_path(route, ref.rewrite, facts.path),
        bucket_bp,
        () if route.stage is None or killed else _mirrored_to(route, facts.method, ref),
    )


def _own_answer(route: Route) -> str:
    if route.redirect is not None:
        return "redirect"
    return "retired" if route.stage == "retired" else "direct_response"


def _by_bucket(refs: tuple[BackendRef, ...], bucket_bp: int) -> BackendRef:
    """The last reference takes the buckets from 0 up to its weight, the one before it the next ones, and so on.

    So a newcomer, written after its incumbent, has all `bucket < weight`: raising its weight only ever
    moves requests towards it (rule 3).
    """
    edge_bp = 0
    for ref in reversed(refs):
        edge_bp += ref.weight_bp
        if bucket_bp < edge_bp:
            return ref
    return refs[0]


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
