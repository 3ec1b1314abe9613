"""Header edits, and which names pass."""

from typing import Annotated

from pydantic import Field

from proxy.config.documents.base import NO_TWINS, Doc, shared
from proxy.config.texts import CookieName, EditedName, HeaderName, Value

HeaderValues = Annotated[dict[EditedName, Value], NO_TWINS]


class HeaderEditsDoc(Doc):
    """Changes of header fields, applied in the order remove, set, add."""

    set: HeaderValues = Field(default_factory=dict, description="Fields that get this one value")
    add: HeaderValues = Field(default_factory=dict, description="Fields that get one value more")
    remove: list[EditedName] = Field(default_factory=list, description="Fields that are taken out")


class MessageDoc(Doc):
    """Changes of a request or of an answer."""

    headers: HeaderEditsDoc = Field(
        default_factory=shared(HeaderEditsDoc()), description="Header edits"
    )


class AllowHeadersDoc(Doc):
    """Which request headers a backend may see."""

    allow: list[HeaderName] | None = Field(default=None, description="Only these pass")
    remove: list[HeaderName] = Field(default_factory=list, description="These never pass")


class AllowCookiesDoc(Doc):
    """Which cookies a backend may see."""

    allow: list[CookieName] | None = Field(default=None, description="Only these pass")
    remove: list[CookieName] = Field(default_factory=list, description="These never pass")
