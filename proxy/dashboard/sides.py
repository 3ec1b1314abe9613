"""Which backends are the monolith, and which took its traffic. Made once for each table."""

from msgspec import Struct

from proxy.dashboard.traffic import Pair, Side
from proxy.model import Route, RouteTable


class Sides(Struct, frozen=True):
    """`staged` has incumbent and newcomer of each route with a stage; `newcomers` are no route's incumbents."""

    staged: dict[str, tuple[str, str]]
    newcomers: frozenset[str]

    def side_of(self, pair: Pair) -> Side | None:
        """Where the requests of a pair went; None if the facade itself responded."""
        route, backend = pair
        if backend == "-":
            return None
        of_route = self.staged.get(route)
        if of_route is not None:
            return "moved" if backend == of_route[1] else "monolith"
        return "moved" if backend in self.newcomers else "monolith"


def sides_of(table: RouteTable) -> Sides:
    """The sides of a table."""
    staged = {
        route.name: (route.backend_refs[0].backend, route.backend_refs[1].backend)
        for route in table.routes
        if is_migration(route)
    }
    incumbents = {incumbent for incumbent, _ in staged.values()}
    newcomers = {newcomer for _, newcomer in staged.values()}
    return Sides(staged, frozenset(newcomers - incumbents))


def is_migration(route: Route) -> bool:
    """Whether a route has a stage, an incumbent and a newcomer."""
    return route.stage is not None and len(route.backend_refs) == 2
