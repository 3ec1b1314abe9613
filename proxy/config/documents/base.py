"""Base classes of documents: strict types, no unknown keys, rules between the keys of a block."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from proxy.config.faults import Fault, block_faults, value_fault


class Doc(BaseModel):
    """A block of the file in its long form."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


D = TypeVar("D", bound=Doc)


def shared(doc: D) -> Callable[[], D]:
    """A default that all blocks share. Documents are frozen, and copying them would dominate a load."""
    return lambda: doc


class RuledDoc(Doc, ABC):
    """A block with rules between its keys. They are checked if every key is valid."""

    @abstractmethod
    def faults(self) -> Iterator[Fault]:
        """The broken rules."""

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        faults = tuple(self.faults())
        if faults:
            raise block_faults(faults)
        return self


class ShortForm:
    """Adds the short forms of a field to the JSON Schema."""

    def __init__(self, *schemas: dict[str, Any]) -> None:
        self._schemas = schemas

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [*self._schemas, handler(core)]}


class OneOrSeveral:
    """Adds the short form of a list with one item to the JSON Schema: the item itself."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        several = handler(core)
        return {"anyOf": [several["items"], several]}


def exactly_one(doc: Doc, keys: tuple[str, ...], what: str) -> Iterator[Fault]:
    """The rule that exactly one of `keys` is given."""
    given = [key for key in keys if getattr(doc, key) is not None]
    if not given:
        shown = ", ".join(f"`{key}`" for key in keys)
        yield Fault((), f"{what} is empty", f"write one of {shown}")
    for extra in given[1:]:
        text = f"`{extra}` stands beside `{given[0]}`"
        yield Fault((extra,), text, f"{what} has one of them", on_key=True)


def _unique_items(value: Any) -> Any:
    if isinstance(value, list):
        seen: set[object] = set()
        for each in value:
            if isinstance(each, str) and each in seen:
                raise value_fault(f"`{each}` is listed twice", "keep one of the two")
            if isinstance(each, str):
                seen.add(each)
    return value


def _unique_names(value: Any) -> Any:
    if isinstance(value, dict):
        seen: dict[str, str] = {}
        for name in value:
            folded = name.lower()
            if folded in seen:
                text = f"`{name}` and `{seen[folded]}` are the same header"
                raise value_fault(text, "case does not count in header names: keep one of the two")
            seen[folded] = name
    return value


UNIQUE_ITEMS = BeforeValidator(_unique_items)
UNIQUE_NAMES = BeforeValidator(_unique_names)
