"""A route as a JSON object, for `GET /routes` of the admin listener and for `facade routes`."""

from typing import Any

from proxy.model import ALL_BP, Route
from proxy.routing.predicates import describe_all


def route_row(route: Route) -> dict[str, Any]:
    """Name, match and stage, and where the route leads: weights in per cent by backend, or a status."""
    row: dict[str, Any] = {
        "name": route.name,
        "match": describe_all(route.matches),
        "stage": route.stage,
        "backends": {ref.backend: ref.weight_bp * 100 / ALL_BP for ref in route.backend_refs},
    }
    if route.direct_response is not None:
        row["direct_response"] = route.direct_response.status
    if route.redirect is not None:
        row["redirect"] = route.redirect.status
    return row
