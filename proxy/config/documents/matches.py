"""What a route takes."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from proxy.config.addresses import Host
from proxy.config.documents.base import NO_REPEATS, NO_TWINS, RuledDoc, ShortForm, exactly_one
from proxy.config.expressions import Path, Prefix, Regex, Template
from proxy.config.faults import Fault, did_you_mean
from proxy.config.texts import CookieName, HeaderName, Method, QueryName, Value, choice


class StringMatchDoc(RuledDoc):
    """How a header, query parameter or cookie has to look."""

    exact: Value | None = Field(default=None, description="It is this")
    prefix: Value | None = Field(default=None, description="It starts with this")
    regex: Regex | None = Field(default=None, description="As a whole it matches this (RE2)")
    present: bool | None = Field(default=None, description="It is there, or it is not")

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("exact", "prefix", "regex", "present"), "a match")
        if self.prefix == "":
            yield Fault(("prefix",), "everything starts with nothing", "write `present: true`")


class PathMatchDoc(RuledDoc):
    """How the path has to look."""

    exact: Path | None = Field(default=None, description="It is this")
    prefix: Prefix | None = Field(default=None, description="Its first segments are these")
    template: Template | None = Field(
        default=None, description="Its segments are these, `{name}` stands for any one"
    )
    regex: Regex | None = Field(default=None, description="As a whole it matches this (RE2)")
    params: dict[str, Regex] = Field(
        default_factory=dict,
        description="What a template's parameters have to match as a whole (RE2)",
    )
    trailing_slash: Annotated[
        Literal["ignore", "strict"], choice("way to treat a slash", "ignore", "strict")
    ] = Field(default="strict", description="Whether `/a` also takes `/a/`, and the reverse")

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("exact", "prefix", "template", "regex"), "a path")
        if self.trailing_slash == "ignore" and self.exact is None and self.template is None:
            hint = "leave it out: it is for `exact` and `template`"
            yield Fault(("trailing_slash",), "a slash is never lost here", hint, on_key=True)
        names = parameters(self.template or "")
        if self.template is not None and not names:
            yield Fault(("template",), "the template has no parameter", "write `exact:`")
        for name in self.params:
            if name not in names:
                text = f"`{name}` is no parameter of the template"
                hint = did_you_mean(name, names) if names else "write `template:` with {name}"
                yield Fault(("params", name), text, hint, on_key=True)


def parameters(template: str) -> list[str]:
    """The names of a template's parameters."""
    return [segment[1:-1] for segment in template.split("/") if segment.startswith("{")]


_EXACT = ShortForm({"type": "string", "description": "Exactly this value"})


class MatchDoc(RuledDoc):
    """What a route takes. All of it has to hold; what is not given takes everything."""

    hosts: Annotated[list[Host], NO_REPEATS] = Field(
        default_factory=list, description="Any of these hosts; `*.example.com` takes all below"
    )
    path: PathMatchDoc | None = Field(default=None, description="How the path has to look")
    methods: Annotated[list[Method], NO_REPEATS] = Field(
        default_factory=list, description="Any of these methods"
    )
    headers: Annotated[dict[HeaderName, Annotated[StringMatchDoc, _EXACT]], NO_TWINS] = Field(
        default_factory=dict, description="All of these headers"
    )
    query: dict[QueryName, Annotated[StringMatchDoc, _EXACT]] = Field(
        default_factory=dict, description="All of these query parameters"
    )
    cookies: dict[CookieName, Annotated[StringMatchDoc, _EXACT]] = Field(
        default_factory=dict, description="All of these cookies"
    )

    def faults(self) -> Iterator[Fault]:
        if "host" in self.headers:
            text = "`host` is matched by `hosts`"
            yield Fault(("headers", "host"), text, "write `hosts: […]`", on_key=True)
