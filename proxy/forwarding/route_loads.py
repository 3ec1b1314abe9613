"""The requests of each route that are under way in this worker, for the budgets of retries and fallbacks."""

from msgspec import Struct

from proxy.routing.next_step import Load


class RouteLoad(Struct, eq=False):
    """Mutable. Only requests of routes with `retry`, `fallback` or `response_ok` count."""

    route: str
    active: int = 0
    retrying: int = 0
    falling_back: int = 0

    def seen_by(self, *, is_retrying: bool) -> Load:
        """The load for a request. `is_retrying`: it is one of those that were retried."""
        return Load(self.active, self.retrying - is_retrying, self.falling_back)


class RouteLoads:
    """By the names of routes: a reload of the table does not begin anew. Only routes with requests are kept."""

    __slots__ = ("_of_routes",)

    def __init__(self) -> None:
        self._of_routes: dict[str, RouteLoad] = {}

    def begin(self, route: str) -> RouteLoad:
        """A request of the route begins."""
        load = self._of_routes.get(route)
        if load is None:
            load = self._of_routes[route] = RouteLoad(route)
        load.active += 1
        return load

    def of(self, route: str) -> Load:
        """The load of the route before another request of it begins, and with it."""
        load = self._of_routes.get(route)
        if load is None:
            return Load()
        return Load(load.active + 1, load.retrying, load.falling_back)

    def end(self, load: RouteLoad) -> None:
        """A request has ended."""
        load.active -= 1
        if not load.active:
            self._of_routes.pop(load.route, None)
