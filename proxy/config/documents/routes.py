"""Routes and what they send on."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, WithJsonSchema

from proxy.config.addresses import Hostname, Link
from proxy.config.documents.base import Doc, RuledDoc, ShortForm, exactly_one, shared
from proxy.config.documents.compare import MirrorDoc
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
from proxy.config.texts import Body, Instant, Name
from proxy.config.units import Percent


class PathRewriteDoc(RuledDoc):
    """What stands in the place of the path."""

    replace_prefix_match: Path | None = Field(
        default=None, description="In the place of the matched prefix"
    )
    replace_full_path: Path | None = Field(default=None, description="In the place of all of it")
    template: Template | None = Field(
        default=None, description="With the parameters of the route's template"
    )

    def faults(self) -> Iterator[Fault]:
        keys = ("replace_prefix_match", "replace_full_path", "template")
        yield from exactly_one(self, keys, "a path rewrite")


class ReverseDoc(Doc):
    """How paths in an answer are mapped back where a rewrite cannot be inverted."""

    prefix: Path = Field(description="What the backend writes")
    replace_prefix_match: Path = Field(description="What the client gets to see")


class UrlRewriteDoc(RuledDoc):
    """What a backend is asked instead of what the client sent."""

    path: PathRewriteDoc | None = Field(default=None, description="Another path")
    hostname: Hostname | None = Field(default=None, description="Another Host")
    reverse: ReverseDoc | None = Field(default=None, description="The way back, for answers")

    def faults(self) -> Iterator[Fault]:
        if self.path is None and self.hostname is None:
            yield Fault((), "the rewrite changes nothing", "write `path` or `hostname`")


_UNCHANGED = MessageDoc()


class BackendRefDoc(Doc):
    """A share of a route's traffic."""

    name: Name = Field(description="A backend of this table")
    weight: Percent | None = Field(
        default=None, description="Its share; 100 for the only reference of a route"
    )
    url_rewrite: UrlRewriteDoc | None = Field(default=None, description="What it is asked instead")
    request: MessageDoc = Field(
        default_factory=shared(_UNCHANGED), description="Changes of requests to it"
    )
    response: MessageDoc = Field(
        default_factory=shared(_UNCHANGED), description="Changes of its answers"
    )


class DirectResponseDoc(RuledDoc):
    """An answer by the facade itself."""

    status: Status = Field(description="Its status")
    headers: HeaderValues = Field(default_factory=dict, description="Its headers")
    body: Body = Field(default="", description="Its text")

    def faults(self) -> Iterator[Fault]:
        if self.body and self.status in (204, 205, 304):
            yield Fault(("body",), f"a {self.status} has no body", "leave it out", on_key=True)


RedirectStatus = Annotated[
    Literal[301, 302, 303, 307, 308],
    WithJsonSchema({"enum": [301, 302, 303, 307, 308]}),
]


class RedirectDoc(RuledDoc):
    """A Location made of the request's own parts, each replaced where it is given."""

    status: RedirectStatus = Field(default=302, description="301, 302, 303, 307 or 308")
    scheme: Literal["http", "https"] | None = Field(default=None, description="Another scheme")
    hostname: Hostname | None = Field(default=None, description="Another host")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Another port"
    )
    path: Path | None = Field(default=None, description="Another path")
    replace_prefix_match: Path | None = Field(
        default=None, description="In the place of the matched prefix"
    )

    def faults(self) -> Iterator[Fault]:
        given = (self.scheme, self.hostname, self.port, self.path, self.replace_prefix_match)
        if all(each is None for each in given):
            yield Fault((), "the redirect leads back to where it starts", "write `path:`")
        if self.path is not None and self.replace_prefix_match is not None:
            text = "`replace_prefix_match` stands beside `path`"
            yield Fault(("replace_prefix_match",), text, "keep one of the two", on_key=True)


class RetiredDoc(Doc):
    """What clients of a retired route are told (RFC 8594)."""

    sunset: Annotated[
        Instant, PlainSerializer(lambda value: value.strftime("%Y-%m-%dT%H:%M:%SZ"))
    ] = Field(description="Since when it is gone")
    successor: Link | None = Field(default=None, description="Where to go instead: path or URL")


RefShort = ShortForm(
    {"type": "string", "description": "The only backend"},
    {
        "type": "object",
        "description": "Backends and their weights",
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": 100},
    },
    {"type": "array", "maxItems": 1, "items": {"type": "string"}},
)


class RouteDoc(Doc):
    """One seam of the monolith."""

    name: Name = Field(description="Its name, once in the table")
    stage: StageName | None = Field(default=None, description="How far its migration has come")
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=0, description="Higher goes first, whatever the match"
    )
    match: MatchDoc = Field(default_factory=shared(MatchDoc()), description="What it takes")
    backend_refs: Annotated[list[BackendRefDoc], Field(min_length=1), RefShort] | None = Field(
        default=None, description="Who answers; with a stage: the incumbent, then the newcomer"
    )
    direct_response: DirectResponseDoc | None = Field(
        default=None, description="The facade answers by itself"
    )
    redirect: RedirectDoc | None = Field(default=None, description="The client is sent elsewhere")
    retired: RetiredDoc | None = Field(default=None, description="With stage retired: since when")
    request: MessageDoc = Field(
        default_factory=shared(_UNCHANGED), description="Changes of requests"
    )
    response: MessageDoc = Field(
        default_factory=shared(_UNCHANGED), description="Changes of answers"
    )
    cohort: Name | None = Field(default=None, description="Who moves together")
    override: OverrideDoc | None = Field(default=None, description="Who may choose the backend")
    response_ok: ResponseOkDoc | None = Field(default=None, description="What a good answer is")
    mirror: MirrorDoc | None = Field(default=None, description="A copy to the other backend")
    fallback: FallbackDoc | None = Field(default=None, description="When the other one is asked")
    timeouts: TimeoutsDoc = Field(
        default_factory=shared(TimeoutsDoc()), description="Its own timeouts"
    )
    limits: LimitsDoc = Field(default_factory=shared(LimitsDoc()), description="Its own limits")
    retry: RetryDoc | None = Field(default=None, description="Ask the same backend again")
    rollout: RolloutDoc | None = Field(default=None, description="The steps of its migration")
    writes: WritesDoc | None = Field(default=None, description="How writes may be repeated")
