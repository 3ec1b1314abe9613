"""Header edits, and lists of names that are forwarded."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from proxy.config.documents.base import UNIQUE_NAMES, Doc, RuledDoc, shared
from proxy.config.faults import Fault
from proxy.config.request_values import EditedValue
from proxy.config.texts import CookieName, EditedName, HeaderName, SetName, Value

HeaderValues = Annotated[dict[SetName, Value], UNIQUE_NAMES]
EditedValues = Annotated[dict[SetName, EditedValue], UNIQUE_NAMES]


class HeaderEditsDoc(Doc):
    """Edits of header fields, applied in the order remove, set, add."""

    set: EditedValues = Field(default_factory=dict, description="Fields to set to this one value")
    add: EditedValues = Field(default_factory=dict, description="Fields to add a value to")
    remove: list[EditedName] = Field(default_factory=list, description="Fields to remove")


class MessageDoc(Doc):
    """Edits of a request or of a response."""

    headers: HeaderEditsDoc = Field(
        default_factory=shared(HeaderEditsDoc()), description="Header edits"
    )


class AllowHeadersDoc(Doc):
    """The request headers that a backend receives."""

    allow: list[HeaderName] | None = Field(default=None, description="Only these are forwarded")
    remove: list[EditedName] = Field(
        default_factory=list,
        description="These are never forwarded, nor added by the facade",
    )


_PREFIXES = ("__host-http-", "__http-", "__host-", "__secure-")
"""Names that promise attributes: browsers check them, without regard to case (RFC 6265bis 4.1.3)."""


class AllowCookiesDoc(RuledDoc):
    """The cookies that a backend receives, and that its responses may set."""

    allow: list[CookieName] | None = Field(default=None, description="Only these are forwarded")
    remove: list[CookieName] = Field(default_factory=list, description="These are never forwarded")
    rename: dict[CookieName, CookieName] = Field(
        default_factory=dict, description="Cookies with another name for clients"
    )

    def faults(self) -> Iterator[Fault]:
        yield from self._targets()
        for name, other in self.rename.items():
            at = ("rename", name)
            if name in self.remove:
                text = f"`{name}` is renamed, and never forwarded"
                yield Fault(at, text, "take it from `remove`, or leave the name out", on_key=True)
            if self.allow is not None and name not in self.allow:
                text = f"`{name}` is renamed, and not in `allow`"
                yield Fault(at, text, "add it there, by the backend's name", on_key=True)
            if _prefix(name) != _prefix(other):
                text = f"`{name}` and `{other}` promise different attributes"
                prefix = name[: len(_prefix(name))]
                hint = f"write a name with {prefix}" if prefix else "write a name without prefix"
                yield Fault(at, text, hint)
        yield from self._listed()

    def _targets(self) -> Iterator[Fault]:
        """No name is the target of two."""
        taken: dict[str, str] = {}
        for name, other in self.rename.items():
            at = ("rename", name)
            if name == other:
                yield Fault(at, f"`{name}` is renamed to itself", "write another name")
            elif other in taken:
                text = f"`{taken[other]}` and `{name}` are renamed to the same name"
                yield Fault(at, text, "give each its own name")
            taken.setdefault(other, name)

    def _listed(self) -> Iterator[Fault]:
        """The lists have the backend's names."""
        own = {other: name for name, other in self.rename.items() if other not in self.rename}
        for key, names in (("allow", self.allow or ()), ("remove", self.remove)):
            for position, listed in enumerate(names):
                if listed in own:
                    text = f"the backend knows `{listed}` as `{own[listed]}`"
                    hint = "the list has the backend's names: leave it out"
                    yield Fault((key, position), text, hint)


def _prefix(name: str) -> str:
    """The prefix of a cookie's name that promises attributes."""
    return next((each for each in _PREFIXES if name.lower().startswith(each)), "")
