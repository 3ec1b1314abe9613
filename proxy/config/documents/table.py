"""The file as a whole, its defaults and its tests."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from proxy.config.addresses import Address, Network
from proxy.config.documents.backends import BackendDoc, CohortDoc
from proxy.config.documents.base import UNIQUE_ITEMS, UNIQUE_NAMES, Doc, RuledDoc, ShortForm, shared
from proxy.config.documents.errors import ErrorBodyDoc, ErrorStatus
from proxy.config.documents.limits import LimitsDoc, ListenerDoc, TimeoutsDoc
from proxy.config.documents.rollout import StageName
from proxy.config.documents.routes import RouteDoc
from proxy.config.expressions import RawPath
from proxy.config.faults import Fault
from proxy.config.texts import (
    CookieName,
    HeaderName,
    Method,
    Name,
    Switch,
    Title,
    Value,
    WrittenName,
    choice,
)
from proxy.config.units import Bucket, Percent


class ForwardedDoc(Doc):
    """The proxies whose forwarding headers are trusted."""

    trusted_proxies: list[Network] = Field(
        default_factory=list, description="The networks of trusted proxies; none if not given"
    )
    allow_headers: Annotated[list[HeaderName], UNIQUE_ITEMS] = Field(
        default_factory=list,
        description="Client headers that are forwarded although they are dropped by default",
    )
    via: Switch = Field(
        default="on", description="Whether the facade adds itself to the Via of requests"
    )


class ExplainDoc(Doc):
    """The header with the decision."""

    response_header: WrittenName = Field(
        default="x-facade-decision", description="The name of the header"
    )
    expose_to: list[Network] = Field(
        default=["127.0.0.0/8", "::1/128"], description="The networks of the clients that get it"
    )


class DefaultsDoc(Doc):
    """Settings for all routes. A route may override timeouts, limits and errors."""

    timeouts: TimeoutsDoc = Field(default_factory=shared(TimeoutsDoc()), description="Timeouts")
    limits: LimitsDoc = Field(default_factory=shared(LimitsDoc()), description="Limits")
    forwarded: ForwardedDoc = Field(
        default_factory=shared(ForwardedDoc()), description="Forwarding headers"
    )
    explain: ExplainDoc = Field(
        default_factory=shared(ExplainDoc()), description="The decision header"
    )
    errors: dict[ErrorStatus, ErrorBodyDoc] = Field(
        default_factory=dict,
        description="Bodies of the facade's own error responses, by status",
        json_schema_extra={"additionalProperties": False},
    )


class GivenDoc(RuledDoc):
    """The assumptions of a test. They replace the values in the file."""

    stage: StageName | None = Field(default=None, description="The stage of the route")
    weights: dict[Name, Percent] | None = Field(
        default=None, description="The weights of the route, which sum to 100"
    )
    kill_switch: bool | None = Field(default=None, description="Whether the kill switch is on")

    def faults(self) -> Iterator[Fault]:
        if self.weights is not None and (total := sum(self.weights.values())) != 10_000:
            text = f"the weights sum to {total / 100:g}"
            yield Fault(("weights",), text, "make them sum to 100")


class InputDoc(Doc):
    """The request of a test."""

    method: Method = Field(default="GET", description="The method")
    host: Value = Field(default="localhost", description="The Host header")
    path: RawPath = Field(description="The target as sent, query included")
    headers: Annotated[dict[HeaderName, Value], UNIQUE_NAMES] = Field(
        default_factory=dict, description="The headers"
    )
    cookies: dict[CookieName, Value] = Field(default_factory=dict, description="The cookies")
    client: Address = Field(default="127.0.0.1", description="The client's address")
    bucket: Bucket | None = Field(default=None, description="The bucket, from 0 to below 100")
    override: Name | None = Field(
        default=None, description="The backend that an authorised client chooses"
    )
    last_write: Name | None = Field(
        default=None, description="The backend that the client has just written to"
    )
    scheme: Annotated[Literal["http", "https"], choice("scheme", "http", "https")] = Field(
        default="http", description="The scheme of the connection"
    )


class ExpectDoc(RuledDoc):
    """The expected result. A key that is not given is not checked."""

    route: Name | None = Field(default=None, description="The route that takes it")
    backend: Name | None = Field(default=None, description="The backend that gets the request")
    upstream_path: RawPath | None = Field(
        default=None, description="The path of the upstream request"
    )
    upstream_host: Value | None = Field(
        default=None, description="The Host of the upstream request"
    )
    reason: Name | None = Field(default=None, description="The reason of the decision")
    status: Annotated[int, Field(ge=100, le=599)] | None = Field(
        default=None, description="The status, if the facade responds itself"
    )
    location: Value | None = Field(default=None, description="The Location of a redirect")
    mirrored_to: list[Name] | None = Field(default=None, description="The backends that get a copy")

    def faults(self) -> Iterator[Fault]:
        if all(value is None for _, value in self):
            yield Fault((), "the test expects nothing", "write `route:`, `backend:` or `status:`")


class TestDoc(Doc):
    """A request and its expected result."""

    # Not a test of this project: pytest leaves it alone.
    __test__ = False

    name: Title = Field(description="A sentence, unique in the table")
    given: GivenDoc = Field(default_factory=shared(GivenDoc()), description="The assumptions")
    input: InputDoc = Field(description="The request")
    expect: ExpectDoc = Field(description="The expected result")


class TestPolicyDoc(Doc):
    """The required coverage of the tests."""

    __test__ = False

    min_route_coverage: Percent = Field(
        default=0, description="The percentage of routes that tests have to reach"
    )


def _allow_extensions(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {"^x-": {"description": "Free, for anchors"}}


class HeadDoc(Doc):
    """The file without its sections."""

    version: Literal[1] = Field(description="The version of this language: 1")
    metadata: dict[str, Title] = Field(default_factory=dict, description="Free text for people")
    kill_switch: bool = Field(
        default=False, description="Every route with a stage goes to its incumbent"
    )
    defaults: DefaultsDoc = Field(
        default_factory=shared(DefaultsDoc()), description="Settings for all routes"
    )
    listener: ListenerDoc = Field(
        default_factory=shared(ListenerDoc()), description="Limits of client connections"
    )
    test_policy: TestPolicyDoc = Field(
        default_factory=shared(TestPolicyDoc()), description="Coverage"
    )


class TableDoc(HeadDoc):
    """The file as a whole."""

    model_config = ConfigDict(json_schema_extra=_allow_extensions)

    backends: dict[
        Name,
        Annotated[BackendDoc, ShortForm({"type": "string", "description": "Its url"})],
    ] = Field(default_factory=dict, description="The backends")
    cohorts: dict[Name, CohortDoc] = Field(default_factory=dict, description="The cohorts")
    routes: Annotated[list[RouteDoc], Field(min_length=1)] = Field(description="The routes")
    tests: list[TestDoc] = Field(default_factory=list, description="The tests, run at every load")
