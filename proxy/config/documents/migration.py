"""Further blocks of a route: override, response_ok, fallback, retry, writes."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from proxy.config.addresses import Network, Url, covers_everybody
from proxy.config.documents.base import UNIQUE_ITEMS, Doc, RuledDoc, exactly_one, shared
from proxy.config.faults import Fault, checked_text, did_you_mean, quoted, value_fault
from proxy.config.texts import CookieName, FilePath, HeaderName, choice
from proxy.config.units import Duration, Percent

TRIGGERS = ("connect_failure", "timeout", "circuit_open", "not_ok")
Status = Annotated[int, Field(ge=200, le=599)]
ServerError = Annotated[int, Field(ge=500, le=599)]


def _read_trigger(value: Any) -> str | int:
    if type(value) is int:
        if not 500 <= value <= 599:
            raise value_fault(f"{quoted(value)} is no trigger", "write a status from 500 to 599")
        return value
    text = checked_text(value)
    if text.isdigit():
        raise value_fault(f"`{text}` in quotes is no trigger", "write a status without quotes")
    if text not in TRIGGERS:
        raise value_fault(f"{quoted(text)} is no trigger", did_you_mean(text, TRIGGERS))
    return text


Trigger = Annotated[
    str | int,
    BeforeValidator(_read_trigger),
    WithJsonSchema(
        {"anyOf": [{"enum": list(TRIGGERS)}, {"type": "integer", "minimum": 500, "maximum": 599}]}
    ),
]


_NEEDED_BY_BACKENDS = ("authorization", "cookie", "host")


class OverrideDoc(RuledDoc):
    """How an authorised client chooses the backend."""

    header: HeaderName | None = Field(
        default=None, description="A header with the name of the backend"
    )
    cookie: CookieName | None = Field(
        default=None, description="A cookie with the name of the backend"
    )
    allow_from: list[Network] = Field(
        default_factory=list, description="The networks of the clients that may"
    )
    token_key_file: FilePath | None = Field(
        default=None, description="File of the key that signs tokens"
    )

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("header", "cookie"), "an override")
        if self.header in _NEEDED_BY_BACKENDS:
            text = f"backends would not get `{self.header}` any more"
            yield Fault(("header",), text, "write a name of its own, like x-facade-backend")
        if not self.allow_from and self.token_key_file is None:
            at = ("allow_from",) if "allow_from" in self.model_fields_set else ()
            hint = "list the networks that may, or add `token_key_file:`"
            yield Fault(at, "nobody may override", hint)
        whole = covers_everybody(self.allow_from)
        if whole is not None:
            hint = "list the networks of those who test, or give them tokens: `token_key_file:`"
            yield Fault(("allow_from", whole), "everybody may override", hint)


class ResponseOkDoc(RuledDoc):
    """The definition of a good response. It does not apply to HEAD and to status 304."""

    status: Annotated[list[Status], UNIQUE_ITEMS] = Field(
        default_factory=list, description="Any of these"
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


class BudgetDoc(Doc):
    """A limit of additional load, as a percentage of the requests of the route that are under way. 3 always fit."""

    percent: Percent = Field(default=2000, description="The percentage of requests under way")


class FallbackDoc(Doc):
    """Sends a request to the other backend if the chosen one fails before the response begins."""

    triggers: Annotated[list[Trigger], UNIQUE_ITEMS, Field(min_length=1)] = Field(
        description="Failures that lead to the other backend"
    )
    budget: BudgetDoc | None = Field(
        default=None, description="The limit of all fallbacks together; none if not given"
    )


class RetryDoc(Doc):
    """Sends a request to the same backend again."""

    attempts: Annotated[int, Field(ge=1, le=10)] = Field(
        default=1, description="The number of retries"
    )
    codes: Annotated[list[ServerError], UNIQUE_ITEMS] = Field(
        default_factory=list, description="Statuses that are retried"
    )
    backoff: Annotated[float, Duration("1ms", "1m")] = Field(
        default=0.05, description="The pause before a retry"
    )
    budget: BudgetDoc = Field(
        default_factory=shared(BudgetDoc()), description="The limit of all retries together"
    )


class WritesDoc(RuledDoc):
    """How writes may be repeated."""

    policy: Annotated[
        Literal["single_writer", "shadow_sandbox", "dual_write"],
        choice("policy", "single_writer", "shadow_sandbox", "dual_write"),
    ] = Field(description="Once; once more into a sandbox; to both backends")
    idempotency_key: HeaderName | None = Field(
        default=None, description="The header with which both backends recognise a repeated write"
    )
    shadow_url: Url | None = Field(default=None, description="The URL of the sandbox")

    def faults(self) -> Iterator[Fault]:
        needs = {"idempotency_key": "dual_write", "shadow_url": "shadow_sandbox"}
        for key, policy in needs.items():
            given = getattr(self, key) is not None
            if self.policy == policy and not given:
                yield Fault((), f"`{policy}` needs `{key}`", f"add `{key}:`")
            if self.policy != policy and given:
                yield Fault((key,), f"`{key}` is for `{policy}`", "leave it out", on_key=True)
