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
from proxy.config.documents.rollout import RolloutDoc, StageName
from proxy.config.expressions import Path, Template
from proxy.config.faults import Fault
from proxy.config.texts import Body, Instant, Name, choice
from proxy.config.units import Percent


class PathRewriteDoc(RuledDoc):
    """A new path."""

    replace_prefix_match: Path | None = Field(
        default=None, description="Replaces the matched prefix"
    )
    replace_full_path: Path | None = Field(default=None, description="Replaces the whole path")
    template: Template | None = Field(
        default=None, description="A path with the parameters of the route's template"
    )

    def faults(self) -> Iterator[Fault]:
        keys = ("replace_prefix_match", "replace_full_path", "template")
        yield from exactly_one(self, keys, "a path rewrite")


class ReverseDoc(Doc):
    """How paths in a response are mapped back, for a rewrite without an inverse."""

    prefix: Path = Field(description="The prefix in the response")
    replace_prefix_match: Path = Field(description="Replaces that prefix")


class UrlRewriteDoc(RuledDoc):
    """Changes of path and Host of the upstream request."""

    path: PathRewriteDoc | None = Field(default=None, description="Another path")
    hostname: Hostname | None = Field(default=None, description="Another Host")
    reverse: ReverseDoc | None = Field(default=None, description="The inverse, for responses")

    def faults(self) -> Iterator[Fault]:
        if self.path is None and self.hostname is None:
            yield Fault((), "the rewrite changes nothing", "write `path` or `hostname`")


_UNCHANGED = MessageDoc()


class BackendRefDoc(Doc):
    """A backend of a route, and its percentage of the requests."""

    name: Name = Field(description="A backend of this table")
    weight: Percent | None = Field(
        default=None,
        description="The percentage of requests; 100 for the only reference of a route",
    )
    url_rewrite: UrlRewriteDoc | None = Field(default=None, description="Changes of path and Host")
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

    def faults(self) -> Iterator[Fault]:
        given = (self.scheme, self.hostname, self.port, self.path, self.replace_prefix_match)
        if all(each is None for each in given):
            yield Fault((), "the redirect leads back to where it starts", "write `path:`")
        if self.path is not None and self.replace_prefix_match is not None:
            text = "`replace_prefix_match` stands beside `path`"
            yield Fault(("replace_prefix_match",), text, "keep one of the two", on_key=True)


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
    tunnels: Annotated[Literal["keep", "drain"], choice("way", "keep", "drain")] = Field(
        default="keep",
        description="WebSockets to a backend that the route sends nothing more to: they stay, or end within 5s",
    )
    limits: LimitsDoc = Field(
        default_factory=shared(LimitsDoc()), description="Limits of this route"
    )
    errors: dict[ErrorStatus, ErrorBodyDoc] = Field(
        default_factory=dict,
        description="Bodies of the facade's own error responses, by status",
        json_schema_extra={"additionalProperties": False},
    )
    retry: RetryDoc | None = Field(default=None, description="Retries with the same backend")
    rollout: RolloutDoc | None = Field(default=None, description="The steps of its migration")
    writes: WritesDoc | None = Field(default=None, description="Repetition of writes")
