"""What `explain` says about a request: values that a command prints and an admin listener sends."""

from msgspec import Struct

from proxy.routing.request_spec import Fields


class PossibleDecision(Struct, frozen=True):
    """One possible decision for the request."""

    share: float
    """The percentage of the route's requests with this decision."""
    reason: str
    buckets: tuple[float, float] | None = None
    """The range of buckets, upper bound excluded. None where no bucket decides."""
    bucket: float | None = None
    """The bucket of the request, where its key or `--bucket` gives it."""
    backend: str | None = None
    urls: tuple[str, ...] = ()
    """The URLs of the upstream request, one for each endpoint of the backend."""
    endpoint: str | None = None
    """The one of them that the cookie of `session_affinity` names, if the request has it."""
    breaker: str | None = None
    """The breaker of the backend, if a running facade monitors it."""
    health: tuple[str, ...] = ()
    """Endpoints that are not healthy, and what follows, in words."""
    instead_of: str = ""
    """After a fallback: the backend that was chosen first, in words."""
    fallback: str = ""
    """When the request goes to the other backend, in words. Empty for a route without a fallback."""
    host: str | None = None
    headers: Fields = ()
    """The fields sent to the backend or, in a local reply, to the client."""
    cookies: str = ""
    """The cookies that the backend receives and may set, if not all."""
    mapped_back: str = ""
    """What becomes of paths in the backend's responses, if the table rewrites the path."""
    mirrored_to: tuple[str, ...] = ()
    mirror: str = ""
    """How such requests are copied to it, in words."""
    status: int | None = None
    """The status of a local reply."""
    detail: str = ""


class PathVariant(Struct, frozen=True):
    """A variant of an ambiguous path, and the route that it leads to."""

    path: str
    route: str | None
    counts: bool = True
    """Whether it counts under the path policy that decided."""


class OtherRoute(Struct, frozen=True):
    """A route that does not take the request, and the reason."""

    name: str
    line: int
    why: str
    holds: bool = False
    """All of its predicates hold, but a route with higher precedence takes the request."""
    same_path: bool = False


class Explanation(Struct, frozen=True):
    """A request, the route that takes it, the possible decisions, and the other routes. The names are JSON keys."""

    method: str
    target: str
    host: str
    client: str
    table: str
    """The table's version."""
    kill_switch: bool = False
    route: str | None = None
    line: int = 0
    match: str = ""
    """The match that takes the request, in words."""
    match_number: int = 1
    matches: int = 1
    """How many matches the route has."""
    stage: str | None = None
    cohort: str = ""
    """The cohort of the route and the key that the request has for it."""
    errors: tuple[str, ...] = ()
    """The bodies that the table gives to error responses of the facade, in words."""
    path_policy: tuple[str, ...] = ()
    """The fields of the route's `path_policy` that matter for this path, with their values."""
    cors: str = ""
    """What the CORS policy of the route means for this request, in words."""
    recovery: tuple[str, ...] = ()
    """`response_ok` and `retry` of the route, in words."""
    """Fields of the route that are not implemented."""
    ways: tuple[PossibleDecision, ...] = ()
    status: int | None = None
    """The status of the local reply, where no route takes the request."""
    reason: str = ""
    detail: str = ""
    readings: tuple[PathVariant, ...] = ()
    others: tuple[OtherRoute, ...] = ()
    """First the routes whose predicates hold, then those that match the path, then the rest in file order."""
