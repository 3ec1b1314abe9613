"""Routes, backend references, rewrites, direct responses and redirects."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, WithJsonSchema

from proxy.config.addresses import Hostname, Link
from proxy.config.documents.base import (
    Doc,
    OneOrSeveral,
    RuledDoc,
    ShortForm,
    exactly_one,
    shared,
)
from proxy.config.documents.compare import MirrorDoc
from proxy.config.documents.cors import CorsDoc
from proxy.config.documents.errors import ErrorBodyDoc, ErrorStatus
from proxy.config.documents.headers import HeaderValues, MessageDoc
from proxy.config.documents.limits import LimitsDoc, TimeoutsDoc
from proxy.config.documents.matches import MatchDoc
from proxy.config.documents.migration import (
    FallbackDoc,
    OverrideDoc,
    ResponseOkDoc,
    RetryDoc,
    Status,
    WritesDoc,
)
from proxy.config.documents.path_policy import PathPolicyDoc
from proxy.config.documents.rollout import RolloutDoc, StageName
from proxy.config.expressions import FixedPath, Path
from proxy.config.faults import Fault
from proxy.config.request_values import EditedValue, RewriteTemplate
from proxy.config.texts import Body, Instant, Name, QueryName, choice
from proxy.config.units import Percent


class PathRewriteDoc(RuledDoc):
    """A new path."""

    replace_prefix_match: Path | None = Field(
        default=None, description="Replaces the matched prefix"
    )
    replace_full_path: Path | None = Field(default=None, description="Replaces the whole path")
    template: RewriteTemplate | None = Field(
        default=None, description="A path with parameters of the route's template, or other values"
    )

    def faults(self) -> Iterator[Fault]:
        keys = ("replace_prefix_match", "replace_full_path", "template")
        yield from exactly_one(self, keys, "a path rewrite")


class ReverseDoc(RuledDoc):
    """How paths in a response are mapped back, in place of the inverse of the rewrite."""

    prefix: FixedPath = Field(description="The prefix in the response")
    replace_prefix_match: FixedPath = Field(description="Replaces that prefix")

    def faults(self) -> Iterator[Fault]:
        if self.prefix.rstrip("/") == self.replace_prefix_match.rstrip("/"):
            text = "`reverse` replaces a prefix by itself"
            yield Fault(("replace_prefix_match",), text, "write the prefix that clients know")


class QueryEditsDoc(RuledDoc):
    """Edits of the query. Other parameters stay as they were sent."""

    set: dict[QueryName, EditedValue] = Field(
        default_factory=dict, description="Parameters to set to this one value"
    )
    remove: list[QueryName] = Field(default_factory=list, description="Parameters to remove")

    def faults(self) -> Iterator[Fault]:
        if not self.set and not self.remove:
            yield Fault((), "the query is not changed", "write `set:` or `remove:`")
        for position, name in enumerate(self.remove):
            if name in self.set:
                text = f"`{name}` is set, which removes what was sent"
                yield Fault(("remove", position), text, "leave it out here")


class UrlRewriteDoc(RuledDoc):
    """Changes of path, query and Host of the upstream request."""

    path: PathRewriteDoc | None = Field(default=None, description="Another path")
    query: QueryEditsDoc | None = Field(default=None, description="Another query")
    hostname: Hostname | None = Field(default=None, description="Another Host")
    reverse: ReverseDoc | None = Field(
        default=None, description="The inverse for paths in responses, if not that of `path`"
    )

    def faults(self) -> Iterator[Fault]:
        if self.path is None and self.query is None and self.hostname is None:
            yield Fault((), "the rewrite changes nothing", "write `path`, `query` or `hostname`")


_UNCHANGED = MessageDoc()


class BackendRefDoc(Doc):
    """A backend of a route, and its percentage of the requests."""

    name: Name = Field(description="A backend of this table")
    weight: Percent | None = Field(
        default=None,
        description="The percentage of requests; 100 for the only reference of a route",
    )
    url_rewrite: UrlRewriteDoc | None = Field(
        default=None, description="Changes of path, query and Host"
    )
    request: MessageDoc = Field(
        default_factory=shared(_UNCHANGED), description="Header edits of requests to this backend"
    )
    response: MessageDoc = Field(
        default_factory=shared(_UNCHANGED),
        description="Header edits of responses from this backend",
    )


class DirectResponseDoc(RuledDoc):
    """A response of the facade itself."""

    status: Status = Field(description="The status")
    headers: HeaderValues = Field(
        default_factory=dict,
        description="The headers; `content-type` is `text/plain; charset=utf-8` if not given",
    )
    body: Body = Field(default="", description="The body")

    def faults(self) -> Iterator[Fault]:
        if self.body and self.status in (204, 205, 304):
            yield Fault(("body",), f"a {self.status} has no body", "leave it out", on_key=True)


RedirectStatus = Annotated[
    Literal[301, 302, 303, 307, 308],
    WithJsonSchema({"enum": [301, 302, 303, 307, 308]}),
]


class RedirectDoc(RuledDoc):
    """A redirect. Its Location has the parts of the request's URL, each replaced if it is given."""

    status: RedirectStatus = Field(default=302, description="301, 302, 303, 307 or 308")
    scheme: Literal["http", "https"] | None = Field(default=None, description="Another scheme")
    hostname: Hostname | None = Field(default=None, description="Another host")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Another port"
    )
    path: Path | None = Field(default=None, description="Another path")
    replace_prefix_match: Path | None = Field(
        default=None, description="Replaces the matched prefix"
    )
    template: RewriteTemplate | None = Field(
        default=None, description="A path with parameters of the route's template, or other values"
    )
    query: QueryEditsDoc | None = Field(default=None, description="Another query")

    def faults(self) -> Iterator[Fault]:
        if all(getattr(self, key) is None for key in type(self).model_fields if key != "status"):
            yield Fault((), "the redirect leads back to where it starts", "write `path:`")
        paths = ("path", "template", "replace_prefix_match")
        given = [key for key in paths if getattr(self, key) is not None]
        for extra in given[1:]:
            text = f"`{extra}` stands beside `{given[0]}`"
            yield Fault((extra,), text, "keep one of the two", on_key=True)


class RetiredDoc(Doc):
    """Header fields in the responses of a retired route (RFC 8594)."""

    sunset: Annotated[
        Instant, PlainSerializer(lambda value: value.strftime("%Y-%m-%dT%H:%M:%SZ"))
    ] = Field(description="The time at which it was retired")
    successor: Link | None = Field(default=None, description="The replacement: a path or a URL")


RefShort = ShortForm(
    {"type": "string", "description": "The only backend"},
    {
        "type": "object",
        "description": "Backends and their weights",
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": 100},
    },
    {"type": "array", "maxItems": 1, "items": {"type": "string"}},
)


_EVERYTHING = [MatchDoc()]
"""The matches of all routes that give none."""


class RouteDoc(Doc):
    """A seam of the monolith: its matches, its backends, and the stage of its migration."""

    name: Name = Field(description="The name, unique in the table")
    stage: StageName | None = Field(default=None, description="The stage of its migration")
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=0, description="Routes with a higher priority come first, whatever the match"
    )
    match: Annotated[list[MatchDoc], Field(min_length=1), OneOrSeveral()] = Field(
        default_factory=lambda: _EVERYTHING,
        description="The requests that it takes: any of these matches",
    )
    backend_refs: Annotated[list[BackendRefDoc], Field(min_length=1), RefShort] | None = Field(
        default=None, description="The backends; with a stage: the incumbent, then the newcomer"
    )
    direct_response: DirectResponseDoc | None = Field(
        default=None, description="The facade responds itself"
    )
    redirect: RedirectDoc | None = Field(
        default=None, description="The facade responds with a redirect"
    )
    retired: RetiredDoc | None = Field(default=None, description="Details of stage `retired`")
    request: MessageDoc = Field(
        default_factory=shared(_UNCHANGED), description="Header edits of requests"
    )
    response: MessageDoc = Field(
        default_factory=shared(_UNCHANGED), description="Header edits of responses"
    )
    cohort: Name | None = Field(default=None, description="The cohort")
    override: OverrideDoc | None = Field(
        default=None, description="Clients that may choose the backend"
    )
    response_ok: ResponseOkDoc | None = Field(
        default=None, description="The definition of a good response"
    )
    mirror: MirrorDoc | None = Field(default=None, description="Copies to the other backend")
    fallback: FallbackDoc | None = Field(
        default=None, description="Use of the other backend after a failure"
    )
    timeouts: TimeoutsDoc = Field(
        default_factory=shared(TimeoutsDoc()), description="Timeouts of this route"
    )
    tunnels: Annotated[Literal["keep", "drain"], choice("policy for tunnels", "keep", "drain")] = (
        Field(
            default="keep",
            description="WebSockets to a backend that the route sends nothing more to: they stay, or end within 5s",
        )
    )
    limits: LimitsDoc = Field(
        default_factory=shared(LimitsDoc()), description="Limits of this route"
    )
    errors: dict[ErrorStatus, ErrorBodyDoc] = Field(
        default_factory=dict,
        description="Bodies of the facade's own error responses, by status",
        json_schema_extra={"additionalProperties": False},
    )
    path_policy: PathPolicyDoc = Field(
        default_factory=shared(PathPolicyDoc()),
        description="Paths that servers read in different ways",
    )
    cors: CorsDoc | None = Field(
        default=None, description="Pages of other origins that may use this route"
    )
    retry: RetryDoc | None = Field(default=None, description="Retries with the same backend")
    rollout: RolloutDoc | None = Field(default=None, description="The steps of its migration")
    writes: WritesDoc | None = Field(default=None, description="Repetition of writes")
