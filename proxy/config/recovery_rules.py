"""Rules of `retry`, `fallback` and `writes`: no table asks for a repetition of writes by accident (rule 5)."""

from collections.abc import Iterator

from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault
from proxy.model import SAFE_METHODS


def not_ok_faults(route: RouteDoc) -> Iterator[Fault]:
    """`not_ok` needs a definition of a good response."""
    if route.fallback is not None and route.response_ok is None:
        for position, trigger in enumerate(route.fallback.triggers):
            if trigger == "not_ok":
                hint = "add `response_ok:`, which says what is ok"
                yield Fault(("fallback", "triggers", position), "`not_ok` without a meaning", hint)


def repeated_write_faults(route: RouteDoc) -> Iterator[Fault]:
    """A route that takes only writes needs `dual_write` for a second attempt after a response, or elsewhere."""
    if route.writes is not None and route.writes.policy == "dual_write":
        return
    methods = _only_writes(route)
    if not methods:
        return
    hint = "leave it out, or add `writes: {policy: dual_write, idempotency_key: …}`"
    if route.fallback is not None:
        text = f"the fallback would repeat a write: the route takes only {methods}"
        yield Fault(("fallback",), text, hint, on_key=True)
    if route.retry is not None and route.retry.codes:
        text = f"a retry after a response would repeat a write: the route takes only {methods}"
        yield Fault(("retry", "codes"), text, hint, on_key=True)


def _only_writes(route: RouteDoc) -> str:
    """The methods of a route that takes only writes; empty for one that takes reads, too."""
    methods: list[str] = []
    for match in route.match:
        if not match.methods or not SAFE_METHODS.isdisjoint(match.methods):
            return ""
        methods += match.methods
    return ", ".join(dict.fromkeys(methods))
