"""A table and its explanations, for the tests of `explain`."""

from msgspec.structs import replace

from proxy.model import (
    BackendRef,
    DirectResponse,
    Mirror,
    Redirect,
    Rewrite,
    Route,
    RouteTable,
)
from proxy.model.match import Match
from proxy.routing.explain import explain
from proxy.routing.explanation import Explanation
from proxy.routing.request_spec import RequestSpec
from tests.make import exact, prefix, refs, route, snapshot, table, template

CANARY = replace(
    route("c", prefix("/c"), to=refs(legacy=95, new=5), stage="canary"), mirror=Mirror()
)
PLAIN = route("plain", exact("/p"), to=(BackendRef("new", rewrite=Rewrite(prefix=None)),))
PREFIX = Rewrite(prefix="/x")
GONE = Route("gone", (Match(path=exact("/gone")),), direct_response=DirectResponse(410))
HOME = Route("home", (Match(path=exact("/home")),), redirect=Redirect(308, path="/c"))
ITEM = route("item", template("/i/{id}", id="[0-9]+"))
POSTS = route("posts", match=Match(path=prefix("/c"), methods=("POST",)), to=refs(new=100))
REST = route("rest")
TABLE = table(CANARY, PLAIN, GONE, HOME, ITEM, POSTS, REST)


def explained(
    url: str, method: str = "GET", *, of: RouteTable = TABLE, **more: object
) -> Explanation:
    return explain(snapshot(of), RequestSpec(method, url, **more), 0.0)  # type: ignore[arg-type]
