"""Header edits, and lists of names that are forwarded."""

from typing import Annotated

from pydantic import Field

from proxy.config.documents.base import UNIQUE_NAMES, Doc, shared
from proxy.config.texts import CookieName, EditedName, HeaderName, Value

HeaderValues = Annotated[dict[EditedName, Value], UNIQUE_NAMES]


class HeaderEditsDoc(Doc):
    """Edits of header fields, applied in the order remove, set, add."""

    set: HeaderValues = Field(default_factory=dict, description="Fields to set to this one value")
    add: HeaderValues = Field(default_factory=dict, description="Fields to add a value to")
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


class AllowCookiesDoc(Doc):
    """The cookies that a backend receives, and that its responses may set."""

    allow: list[CookieName] | None = Field(default=None, description="Only these are forwarded")
    remove: list[CookieName] = Field(default_factory=list, description="These are never forwarded")
