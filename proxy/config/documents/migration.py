"""What a route does beside choosing a backend: override, fallback, retry, writes."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from proxy.config.addresses import Network, Url
from proxy.config.documents.base import NO_REPEATS, Doc, RuledDoc, exactly_one, shared
from proxy.config.faults import Fault, did_you_mean, named, text_of, wrong
from proxy.config.texts import CookieName, HeaderName, choice
from proxy.config.units import Duration, Percent

TRIGGERS = ("connect_failure", "timeout", "circuit_open", "not_ok")
Status = Annotated[int, Field(ge=200, le=599)]
ServerError = Annotated[int, Field(ge=500, le=599)]


def _read_trigger(value: Any) -> str | int:
    if type(value) is int:
        if not 500 <= value <= 599:
            raise wrong(f"{named(value)} is no trigger", "write a status from 500 to 599")
        return value
    text = text_of(value)
    if text not in TRIGGERS:
        raise wrong(f"{named(text)} is no trigger", did_you_mean(text, TRIGGERS))
    return text


Trigger = Annotated[
    str | int,
    BeforeValidator(_read_trigger),
    WithJsonSchema(
        {"anyOf": [{"enum": list(TRIGGERS)}, {"type": "integer", "minimum": 500, "maximum": 599}]}
    ),
]


class OverrideDoc(RuledDoc):
    """By what an authorised client chooses the backend."""

    header: HeaderName | None = Field(default=None, description="A header that names it")
    cookie: CookieName | None = Field(default=None, description="A cookie that names it")
    allow_from: list[Network] = Field(description="The networks of those who may")

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("header", "cookie"), "an override")
        if not self.allow_from:
            yield Fault(("allow_from",), "nobody may override", "list the networks that may")


class ResponseOkDoc(RuledDoc):
    """What a good answer is; not asked of HEAD and 304."""

    status: Annotated[list[Status], NO_REPEATS] = Field(
        default_factory=list, description="One of these"
    )
    json_type: (
        Annotated[
            Literal["array", "object", "string", "number", "boolean"],
            choice("JSON type", "array", "object", "string", "number", "boolean"),
        ]
        | None
    ) = Field(default=None, description="The body is JSON of this type, and not empty")

    def faults(self) -> Iterator[Fault]:
        if not self.status and self.json_type is None:
            yield Fault((), "everything is good enough here", "write `status` or `json_type`")


class FallbackDoc(Doc):
    """The other backend is asked when the chosen one fails before any byte went out."""

    triggers: Annotated[list[Trigger], NO_REPEATS, Field(min_length=1)] = Field(
        description="When it is asked"
    )


class BudgetDoc(Doc):
    """How much retries may add to the load."""

    percent: Percent = Field(default=2000, description="Of the requests under way")


class RetryDoc(Doc):
    """The same backend is asked again, for safe methods."""

    attempts: Annotated[int, Field(ge=1, le=10)] = Field(default=1, description="How often again")
    codes: Annotated[list[ServerError], NO_REPEATS] = Field(
        default_factory=list, description="Statuses that are worth another try"
    )
    backoff: Annotated[float, Duration("1ms", "1m")] = Field(
        default=0.05, description="The pause before it"
    )
    budget: BudgetDoc = Field(
        default_factory=shared(BudgetDoc()), description="A bound on all retries"
    )


class WritesDoc(RuledDoc):
    """How writes may be repeated."""

    policy: Annotated[
        Literal["single_writer", "shadow_sandbox", "dual_write"],
        choice("policy", "single_writer", "shadow_sandbox", "dual_write"),
    ] = Field(description="Once; once more into a sandbox; to both")
    idempotency_key: HeaderName | None = Field(
        default=None, description="The header by which both know a repeated write"
    )
    shadow_url: Url | None = Field(default=None, description="The sandbox that gets the copies")

    def faults(self) -> Iterator[Fault]:
        needs = {"idempotency_key": "dual_write", "shadow_url": "shadow_sandbox"}
        for key, policy in needs.items():
            given = getattr(self, key) is not None
            if self.policy == policy and not given:
                yield Fault((), f"`{policy}` needs `{key}`", f"add `{key}:`")
            if self.policy != policy and given:
                yield Fault((key,), f"`{key}` is for `{policy}`", "leave it out", on_key=True)
