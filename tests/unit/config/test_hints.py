"""A hint never leads to a key that does not exist where it is to be written."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.documents.base import Doc
from proxy.config.documents.table import TableDoc
from tests.unit.config.test_docs_routes import BLOCKS, FIELDS

MISTAKES: tuple[Any, ...] = (
    "",
    "/a/{b}",
    "/a/",
    "a",
    "/a//b",
    "/a%20",
    "/a;b",
    "/a?b",
    "/a/../b",
    "*.example.com",
    "a/b",
    "host:80",
    "http://a/b",
    "http://a",
    "${URL}",
    "[",
    "x_y",
    "Host",
    "connection",
    "a b",
    True,
    5,
    [],
    {},
)
_KEY = re.compile(r"`([a-z_]+):")


def hints(annotation: Any) -> Iterator[str]:
    """The hints for mistakes in a value of a field."""
    adapter = TypeAdapter(annotation)
    for mistake in MISTAKES:
        for value in (mistake, [mistake]):
            try:
                adapter.validate_python(value, strict=True)
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    yield str(detail.get("ctx", {}).get("hint", ""))


MODELS = dict(BLOCKS)
ELSEWHERE = {"match", "request", "query", "url_rewrite"}
"""Keys outside the block of the field, in its route, match or reference."""


@pytest.mark.parametrize(("path", "key", "info"), FIELDS, ids=[f"{p}.{k}" for p, k, _ in FIELDS])
def test_the_keys_that_a_hint_names_are_known(path: str, key: str, info: Any) -> None:
    model: type[Doc] = MODELS[path]
    known = {each.alias or name for name, each in model.model_fields.items()}
    known |= TableDoc.model_fields.keys() | ELSEWHERE
    if isinstance(info.annotation, type) and issubclass(info.annotation, Doc):
        return
    annotation = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    for hint in hints(annotation):
        assert set(_KEY.findall(hint)) <= known, hint
