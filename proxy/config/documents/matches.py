"""The match of a route."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from proxy.config.addresses import Host
from proxy.config.documents.base import (
    UNIQUE_ITEMS,
    UNIQUE_NAMES,
    OneOrSeveral,
    RuledDoc,
    ShortForm,
    exactly_one,
)
from proxy.config.expressions import Path, Prefix, Regex, Template
from proxy.config.faults import Fault, did_you_mean
from proxy.config.texts import CookieName, HeaderName, Method, QueryName, Value, choice
from proxy.routing.paths import TAIL


class StringMatchDoc(RuledDoc):
    """A match of a query parameter or cookie."""

    exact: Value | None = Field(default=None, description="The value is equal to this")
    prefix: Value | None = Field(default=None, description="The value starts with this")
    regex: Regex | None = Field(default=None, description="The whole value matches this (RE2)")
    present: bool | None = Field(
        default=None, description="Whether the name has to be present or absent"
    )

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("exact", "prefix", "regex", "present"), "a match")
        if self.prefix == "":
            yield Fault(("prefix",), "everything starts with nothing", "write `present: true`")


class HeaderMatchDoc(StringMatchDoc):
    """A match of a header."""

    members: bool = Field(
        default=False,
        description="Compare each member of a comma-separated list, not the whole value",
    )

    def faults(self) -> Iterator[Fault]:
        yield from super().faults()
        if self.members and self.present is not None:
            text = "`members` stands beside `present`"
            yield Fault(("members",), text, "leave one of the two out", on_key=True)


class PathMatchDoc(RuledDoc):
    """A match of the path."""

    exact: Path | None = Field(default=None, description="The value is equal to this")
    prefix: Prefix | None = Field(default=None, description="The path starts with these segments")
    template: Template | None = Field(
        default=None,
        description="The path has these segments: `{name}` is any segment, a last `/**` everything below",
    )
    regex: Regex | None = Field(default=None, description="The whole value matches this (RE2)")
    params: dict[str, Regex] = Field(
        default_factory=dict,
        description="Expressions that match the whole value of a parameter (RE2)",
    )
    trailing_slash: Annotated[
        Literal["ignore", "strict"], choice("way to treat a slash", "ignore", "strict")
    ] = Field(default="strict", description="Whether `/a` also matches `/a/`, and the reverse")

    ignore_case: bool = Field(
        default=False, description="Whether `/a` also matches `/A`, and the reverse"
    )

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("exact", "prefix", "template", "regex"), "a path")
        if self.ignore_case and self.regex is not None:
            text = "`ignore_case` stands beside `regex`"
            hint = f'leave it out, and write `regex: "(?i){self.regex}"`'
            yield Fault(("ignore_case",), text, hint, on_key=True)
        closed = self.exact is not None or (self.template is not None and not self.has_tail())
        if self.trailing_slash == "ignore" and not closed:
            hint = "leave it out: it is for `exact`, and for `template` without a tail"
            yield Fault(
                ("trailing_slash",),
                "`trailing_slash: ignore` has no effect here",
                hint,
                on_key=True,
            )
        names = parameters(self.template or "")
        if self.template is not None and not names:
            prefix = self.template.removesuffix(TAIL) or "/"
            hint = "write `exact:`" if prefix == self.template else f"write `prefix: {prefix}`"
            yield Fault(("template",), "the template has no parameter", hint)
        for name in self.params:
            if name not in names:
                text = f"`{name}` is no parameter of the template"
                hint = did_you_mean(name, names) if names else "write `template:` with {name}"
                yield Fault(("params", name), text, hint, on_key=True)

    def has_tail(self) -> bool:
        """Whether it matches everything below a path: a prefix, or a template with a tail."""
        return self.prefix is not None or (self.template or "").endswith(TAIL)


def parameters(template: str) -> list[str]:
    """The names of a template's parameters."""
    return [segment[1:-1] for segment in template.split("/") if segment.startswith("{")]


_EXACT = ShortForm({"type": "string", "description": "Exactly this value"})


class MatchPartsDoc(RuledDoc):
    """What a match is made of."""

    hosts: Annotated[list[Host], UNIQUE_ITEMS] = Field(
        default_factory=list,
        description="Any of these hosts; `*.example.com` matches every host below it",
    )
    path: PathMatchDoc | None = Field(default=None, description="The path")
    methods: Annotated[list[Method], UNIQUE_ITEMS] = Field(
        default_factory=list, description="Any of these methods"
    )
    headers: Annotated[dict[HeaderName, Annotated[HeaderMatchDoc, _EXACT]], UNIQUE_NAMES] = Field(
        default_factory=dict, description="All of these headers"
    )
    query: dict[QueryName, Annotated[StringMatchDoc, _EXACT]] = Field(
        default_factory=dict, description="All of these query parameters"
    )
    cookies: dict[CookieName, Annotated[StringMatchDoc, _EXACT]] = Field(
        default_factory=dict, description="All of these cookies"
    )
    scheme: Annotated[Literal["http", "https"], choice("scheme", "http", "https")] | None = Field(
        default=None, description="The scheme of the client's request"
    )

    def faults(self) -> Iterator[Fault]:
        if "host" in self.headers:
            text = "`host` is matched by `hosts`"
            yield Fault(("headers", "host"), text, "write `hosts: […]`", on_key=True)


class NotDoc(MatchPartsDoc):
    """The requests that a match leaves out: those that have all of these parts."""

    def faults(self) -> Iterator[Fault]:
        yield from super().faults()
        if not any(value for _, value in self):
            hint = "write what the match leaves out, or leave `not` out"
            yield Fault((), "`not` is empty: nothing would match", hint)


class MatchDoc(MatchPartsDoc):
    """The requests that a route takes. Every part that is given has to match."""

    not_: Annotated[list[NotDoc], Field(min_length=1), OneOrSeveral()] | None = Field(
        default=None, alias="not", description="None of these: the requests that are left out"
    )
