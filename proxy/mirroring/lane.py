"""The copies of one route: its own connections, and the number of copies that are sent now."""

from collections.abc import Callable, Mapping
from ssl import SSLContext

from proxy.model import Backend, Mirror, Route
from proxy.routing.mirrored_request import copy_backend, mirror_of
from proxy.routing.snapshot import Snapshot
from proxy.upstream import Upstream

Open = Callable[[Backend, SSLContext | None], Upstream]
"""Opens the connections to a backend. The context is for its https endpoints."""


class Lane:
    """Valid for one route and its backends: `fits` says whether a table still has them."""

    def __init__(self, route: Route, snapshot: Snapshot, open_upstream: Open) -> None:
        self.route = route
        self.mirror: Mirror = mirror_of(route)
        self.active = 0
        """Copies that are sent now, second requests for the baseline included."""
        self._backends = _backends_of(route, snapshot)
        self._open = open_upstream
        self._upstreams: dict[Backend, Upstream] = {}

    def fits(self, route: Route, snapshot: Snapshot) -> bool:
        """Whether copies of `route` under the table of `snapshot` may use these connections."""
        if route is not self.route and mirror_of(route) != self.mirror:
            return False
        return _backends_of(route, snapshot) == self._backends

    def upstream(self, backend: Backend, method: str, snapshot: Snapshot) -> Upstream:
        """The connections for copies of requests with `method`."""
        name = f"{backend.name} (mirror of {self.route.name})"
        copied = copy_backend(backend, self.mirror, method, name)
        upstream = self._upstreams.get(copied)
        if upstream is None:
            context = snapshot.contexts.get(copied.tls)
            upstream = self._upstreams[copied] = self._open(copied, context)
        return upstream

    def take_upstreams(self) -> list[Upstream]:
        """The connections, which the caller closes."""
        upstreams, self._upstreams = self._upstreams, {}
        return list(upstreams.values())


def _backends_of(route: Route, snapshot: Snapshot) -> Mapping[str, Backend | None]:
    return {ref.backend: snapshot.backends.get(ref.backend) for ref in route.backend_refs}
