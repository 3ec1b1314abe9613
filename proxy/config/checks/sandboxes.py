"""Sandboxes for copies of writes that are no sandboxes: a write would be done twice (rule 5)."""

from proxy.errors import Problem
from proxy.model import RouteTable


def false_sandboxes(table: RouteTable) -> list[Problem]:
    """An error for each sandbox that is an endpoint of a backend."""
    sandboxes = [
        (route, route.mirror.sandbox)
        for route in table.routes
        if route.mirror is not None and route.mirror.sandbox is not None
    ]
    if not sandboxes:
        return []
    backends = {each: backend.name for backend in table.backends for each in backend.endpoints}
    hint = "write the address of a system with data of its own"
    return [
        Problem(
            route.line,
            1,
            f"the sandbox of the route `{route.name}` is the backend `{backends[sandbox]}`",
            hint,
        )
        for route, sandbox in sandboxes
        if sandbox in backends
    ]
