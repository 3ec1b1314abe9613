"""Bodies of error responses."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from proxy.config.documents.base import RuledDoc, exactly_one
from proxy.config.faults import Fault, checked_text, quoted, value_fault
from proxy.config.texts import Body, FilePath, MediaType

TEXT = "text/plain; charset=utf-8"
TYPE_OF_SUFFIX = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".json": "application/json",
    ".txt": TEXT,
}
_STATUSES = frozenset((*map(str, range(400, 600)), "4xx", "5xx"))


def _read_status(value: Any) -> str:
    text = checked_text(value)
    if text not in _STATUSES:
        hint = "write a status from 400 to 599, or a class: 4xx, 5xx"
        raise value_fault(f"{quoted(text)} is no status of an error", hint)
    return text


ErrorStatus = Annotated[
    str,
    BeforeValidator(_read_status),
    WithJsonSchema({"type": "string", "pattern": "^[45]([0-9][0-9]|xx)$"}),
]


class ErrorBodyDoc(RuledDoc):
    """The body of an error response of the facade."""

    body: Body | None = Field(default=None, description="The body; it may be empty")
    file: FilePath | None = Field(default=None, description="A file that holds the body")
    content_type: MediaType | None = Field(
        default=None,
        description="Its type; `text/plain; charset=utf-8` for a `body`, by its suffix for a `file`",
    )

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(self, ("body", "file"), "the body of an error")
        if self.file is not None and self.content_type is None and not self.effective_type():
            text = f"the type of {quoted(self.file)} does not follow from its name"
            known = ", ".join(TYPE_OF_SUFFIX)
            yield Fault(("file",), text, f"add `content_type:`; known suffixes are {known}")

    def effective_type(self) -> str:
        """The content type. Empty for an empty body, and if it is unknown."""
        if self.content_type is not None:
            return self.content_type
        if self.file is not None:
            suffix = self.file.lower().rpartition(".")[2]
            return TYPE_OF_SUFFIX.get(f".{suffix}", "")
        return TEXT if self.body else ""
