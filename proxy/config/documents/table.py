"""The file as a whole, its defaults and its tests."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from proxy.config.addresses import Address, Network
from proxy.config.documents.backends import BackendDoc, CohortDoc
from proxy.config.documents.base import NO_REPEATS, NO_TWINS, Doc, RuledDoc, ShortForm, shared
from proxy.config.documents.limits import LimitsDoc, ListenerDoc, TimeoutsDoc
from proxy.config.documents.rollout import StageName
from proxy.config.documents.routes import RouteDoc
from proxy.config.expressions import RawPath
from proxy.config.faults import Fault
from proxy.config.texts import CookieName, HeaderName, Method, Name, Title, Value
from proxy.config.units import Bucket, Percent


class ForwardedDoc(Doc):
    """Whose forwarding headers are believed."""

    trusted_proxies: list[Network] = Field(default_factory=list, description="Nobody, if not given")
    allow_headers: Annotated[list[HeaderName], NO_REPEATS] = Field(
        default_factory=list,
        description="Client headers that pass although they are stopped by default",
    )


class ExplainDoc(Doc):
    """The header that tells the decision."""

    response_header: HeaderName = Field(default="x-facade-decision", description="Its name")
    expose_to: list[Network] = Field(
        default=["127.0.0.0/8", "::1/128"], description="The networks of clients who get it"
    )


class DefaultsDoc(Doc):
    """What holds for every route that says nothing else."""

    timeouts: TimeoutsDoc = Field(default_factory=shared(TimeoutsDoc()), description="Timeouts")
    limits: LimitsDoc = Field(default_factory=shared(LimitsDoc()), description="Limits")
    forwarded: ForwardedDoc = Field(
        default_factory=shared(ForwardedDoc()), description="Forwarding headers"
    )
    explain: ExplainDoc = Field(
        default_factory=shared(ExplainDoc()), description="The decision header"
    )


class GivenDoc(RuledDoc):
    """What a test assumes, instead of what the file says now."""

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

    method: Method = Field(default="GET", description="Its method")
    host: Value = Field(default="localhost", description="Its Host header")
    path: RawPath = Field(description="Its target as sent, query included")
    headers: Annotated[dict[HeaderName, Value], NO_TWINS] = Field(
        default_factory=dict, description="Its headers"
    )
    cookies: dict[CookieName, Value] = Field(default_factory=dict, description="Its cookies")
    client: Address = Field(default="127.0.0.1", description="The client's address")
    bucket: Bucket | None = Field(default=None, description="Its place from 0 to below 100")


class ExpectDoc(RuledDoc):
    """What the table has to do with it; what is not given may be anything."""

    route: Name | None = Field(default=None, description="The route that takes it")
    backend: Name | None = Field(default=None, description="The backend that answers")
    upstream_path: RawPath | None = Field(default=None, description="The path it is asked")
    upstream_host: Value | None = Field(default=None, description="The Host it is asked for")
    reason: Name | None = Field(default=None, description="The reason of the decision")
    status: Annotated[int, Field(ge=100, le=599)] | None = Field(
        default=None, description="The status, where the facade answers by itself"
    )
    location: Value | None = Field(default=None, description="The Location of a redirect")
    mirrored_to: list[Name] | None = Field(default=None, description="Who gets a copy")

    def faults(self) -> Iterator[Fault]:
        if all(value is None for _, value in self):
            yield Fault((), "the test expects nothing", "write `route:`, `backend:` or `status:`")


class TestDoc(Doc):
    """A request, and what the table has to do with it."""

    # Not a test of this project: pytest leaves it alone.
    __test__ = False

    name: Title = Field(description="A sentence, once in the table")
    given: GivenDoc = Field(default_factory=shared(GivenDoc()), description="What it assumes")
    input: InputDoc = Field(description="The request")
    expect: ExpectDoc = Field(description="What has to come of it")


class TestPolicyDoc(Doc):
    """How much the tests have to cover."""

    __test__ = False

    min_route_coverage: Percent = Field(
        default=0, description="The share of routes that tests have to reach"
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
        default_factory=shared(DefaultsDoc()), description="What holds everywhere"
    )
    listener: ListenerDoc = Field(
        default_factory=shared(ListenerDoc()), description="How those who connect are treated"
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
    ] = Field(default_factory=dict, description="The systems that answer")
    cohorts: dict[Name, CohortDoc] = Field(default_factory=dict, description="Who moves together")
    routes: Annotated[list[RouteDoc], Field(min_length=1)] = Field(description="The seams")
    tests: list[TestDoc] = Field(default_factory=list, description="Run at every load")
