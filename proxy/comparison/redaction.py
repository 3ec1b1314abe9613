"""Keeps secrets out of everything that is stored: examples, and recorded requests.

Beside the parts that a table names (`redact`), fields and members whose names say that they hold a secret are redacted.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote_plus

from proxy.comparison.json_reader import Json
from proxy.comparison.outcome import Example
from proxy.comparison.places import Node
from proxy.model import HeaderPairs

REDACTED = "(redacted)"
MAX_EXAMPLE = 120
"""Characters of an example."""
_MAX_ITEMS = 8
_MAX_DEPTH = 4
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|api[-_]?key|private[-_]?key|credential|authori[sz]ation|^auth$|"
    r"session|jsessionid|^sid$|cookie|csrf|xsrf|signature|^ssn$|card[-_]?number|^cvv$|^iban$",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Whether a member, field or parameter of this name may hold a secret."""
    return _SECRET_NAME.search(name) is not None


def example_of(value: Json, node: Node, name: str = "") -> Example:
    """A value as it is stored: redacted, and short. `name` is that of the member that holds it."""
    if value is not None and (node.is_redacted or is_secret_name(name)):
        return REDACTED
    if value is None or type(value) is bool:
        return value
    if type(value) in (list, dict):
        return shortened(json.dumps(_outline(value, node, _MAX_DEPTH), ensure_ascii=False))
    if type(value) is str:
        return shortened(value)
    # A number that no 64 bits hold is a text, so that every reader of the report can read it.
    is_small = type(value) is float or (type(value) is int and abs(value) < 2**63)
    return value if is_small else shortened(str(value))


def shortened(text: str) -> str:
    """The beginning of a text, without lone surrogates."""
    if len(text) > MAX_EXAMPLE:
        text = text[: MAX_EXAMPLE - 1] + "…"
    return text.encode("utf-8", "backslashreplace").decode()


def _outline(value: Json, node: Node, depth: int) -> Any:
    """The beginning of a container, redacted."""
    if type(value) is list:
        if not depth:
            return ["…"] if value else []
        return [_inner(each, node.item(at), "", depth) for at, each in _first(value)]
    if not depth:
        return {"…": "…"} if value else {}
    first = list(value.items())[:_MAX_ITEMS]
    return {name: _inner(each, node.member(name), name, depth) for name, each in first}


def _first(items: Sequence[Json]) -> Iterable[tuple[int, Json]]:
    return enumerate(items[:_MAX_ITEMS])


def _inner(value: Json, node: Node, name: str, depth: int) -> Any:
    if type(value) in (list, dict) and not (node.is_redacted or is_secret_name(name)):
        return _outline(value, node, depth - 1)
    return example_of(value, node, name)


class Redaction:
    """Redacts requests and header fields. `parts` are those of `redact` in the table."""

    def __init__(self, parts: Iterable[str] = ()) -> None:
        named: dict[str, set[str]] = {
            "header": set(),
            "cookie": set(),
            "query": set(),
            "body": set(),
        }
        for part in parts:
            kind, _, name = part.partition(":")
            named[kind].add(name)
        self.body_paths = frozenset(named["body"])
        self._headers = {name.lower() for name in named["header"]}
        self._query = named["query"]

    def is_secret_field(self, name: str) -> bool:
        """Whether a header field is redacted as a whole. Cookies are, in both directions."""
        return name in self._headers or is_secret_name(name)

    def field_example(self, name: str, value: str | None) -> Example:
        """The value of a header field as it is stored."""
        if value is None:
            return None
        return REDACTED if self.is_secret_field(name) else shortened(value)

    def kept_fields(self, headers: HeaderPairs) -> list[tuple[str, str]]:
        """The fields of a request that may be stored."""
        texts = (
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers
        )
        return [(name, value) for name, value in texts if not self.is_secret_field(name)]

    def target(self, target: str) -> str:
        """A request target without the values of secret parameters, also those of the path (`;name=value`)."""
        path, question, query = target.partition("?")
        path = re.sub(r";([^/;=]*)=[^/;]*", self._path_parameter, path)
        return path + question + "&".join(map(self._parameter, query.split("&")))

    def hides(self, target: str) -> bool:
        """Whether a target has a secret, so that it cannot be sent again."""
        return self.target(target) != target

    def _path_parameter(self, found: re.Match[str]) -> str:
        return f";{found[1]}={quote(REDACTED)}" if self._is_secret(found[1]) else found[0]

    def _parameter(self, text: str) -> str:
        name, equals, _ = text.partition("=")
        return f"{name}={quote(REDACTED)}" if equals and self._is_secret(name) else text

    def _is_secret(self, name: str) -> bool:
        return unquote_plus(name) in self._query or is_secret_name(unquote_plus(name))
