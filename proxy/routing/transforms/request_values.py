"""Values of a request in header fields, paths and queries of a table: `{client}`, `{path.id}`.

No value leaves the place that the table gives it. Each is percent-encoded for that place:

- In a field, bytes other than printable ASCII and tab. Of a value from the path or the query, which is decoded first,
  also the characters with a meaning in fields: commas, semicolons, quotes. A field whose value is missing is left out.
- In a segment of a path, everything that may not stand there. A value with a dot segment, a control character or a
  backslash is refused, because servers decode it (rule 12). So is one that is empty or missing.
- In a query, everything but letters, digits and `-._~`. A parameter whose value is missing is left out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, assert_type
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from msgspec import Struct

from proxy.errors import BadRequest
from proxy.model import (
    STRICT_PATHS,
    Facts,
    HeaderEdits,
    PathMatch,
    PathPolicy,
    QueryEdits,
    RequestValue,
    ValueTemplate,
)
from proxy.routing.paths import is_one_segment, onward_path, segments_of
from proxy.routing.transforms.facade_fields import (
    client_origin,
    is_forwarding,
    values_that_pass,
)

UNKNOWN_ID = b"{request_id}"
"""Stands for the id of a request that is only explained."""
_MAX_VALUE = 8192
_NOT_IN_FIELDS = re.compile(rb"[^\t\x20-\x7e]")
_IN_FIELDS = "!$*+:=@/"
_IN_SEGMENTS = "!$&'()*+,=:@"


class ValueSource(Struct, frozen=True):
    """Where the values come from."""

    facts: Facts
    path: PathMatch | None
    """The path that the route matched: it names the parameters."""
    request_id: bytes = UNKNOWN_ID
    path_policy: PathPolicy = STRICT_PATHS
    """That of the route: parameters are those of the path that goes on."""

    def raw(self, value: RequestValue) -> bytes | None:
        """A value as it was sent, or decoded if it is of the path or the query. None if it is missing."""
        facts = self.facts
        match value.kind:
            case "client":
                return facts.client.encode() or None
            case "scheme":
                return client_origin(facts)[0]
            case "host":
                return client_origin(facts)[1] or None
            case "request_id":
                return self.request_id or None
            case "header":
                values = _field_values(facts, value.name.encode())
                return b", ".join(values) if values else None
            case "query":
                return query_value(facts.query, value.name)
            case _:
                assert_type(value.kind, Literal["path"])  # The type checker reports a missing kind.
                segment = self.segment(value.name)
                return None if segment is None else unquote_to_bytes(segment)

    def segment(self, name: str) -> bytes | None:
        """The segment of a parameter as it was sent, without path parameters."""
        pattern = "" if self.path is None else self.path.value
        parts = onward_path(self.facts.path, self.path_policy).split(b"/")[1:]
        for part, segment in zip(parts, segments_of(pattern), strict=False):
            if segment == f"{{{name}}}":
                return part.partition(b";")[0]
        return None


def _field_values(facts: Facts, name: bytes) -> list[bytes]:
    """The values of a field; of a forwarding field, those that a backend gets (rule 14)."""
    if is_forwarding(name):
        return values_that_pass(facts, name)
    return [value for key, value in facts.headers if key == name]


def query_value(query: bytes, name: str) -> bytes | None:
    """The first value of a parameter, decoded."""
    for pair in query.split(b"&") if query else ():
        key, _, value = pair.partition(b"=")
        if _name_of(key) == name:
            return unquote_to_bytes(value.replace(b"+", b" "))
    return None


def _name_of(key: bytes) -> str:
    return unquote_plus(key.decode("utf-8", "backslashreplace"))


# --- header fields ------------------------------------------------------------------------------


def resolved_edits(edits: HeaderEdits, source: ValueSource) -> HeaderEdits:
    """`edits` with the values of a request. A field to `set` whose value is missing is removed only."""
    if not edits.reads_request:
        return edits
    values = [(name, field_value(template, source)) for name, template in edits.set_values]
    added = [(name, field_value(template, source)) for name, template in edits.add_values]
    return HeaderEdits(
        edits.set + tuple((name, value) for name, value in values if value is not None),
        edits.add + tuple((name, value) for name, value in added if value is not None),
        edits.remove + tuple(name for name, value in values if value is None),
    )


def field_value(template: ValueTemplate, source: ValueSource) -> bytes | None:
    """The text with its values. None if one is missing, or if it is longer than 8 KiB."""
    pieces = []
    for part in template:
        piece = part if isinstance(part, bytes) else _in_field(part, source)
        if piece is None:
            return None
        pieces.append(piece)
    value = b"".join(pieces).strip(b" \t")
    return value if len(value) <= _MAX_VALUE else None


def _in_field(value: RequestValue, source: ValueSource) -> bytes | None:
    raw = source.raw(value)
    if raw is None:
        return None
    if value.kind in ("path", "query"):
        return quote(raw, safe=_IN_FIELDS).encode()
    return _NOT_IN_FIELDS.sub(lambda byte: b"%%%02X" % byte[0][0], raw)


# --- paths and queries --------------------------------------------------------------------------


def segments_for(
    values: Iterable[tuple[str, RequestValue]], source: ValueSource
) -> Mapping[str, bytes]:
    """The segments of a rewrite's template that are values of the request. Raises BadRequest."""
    own = set() if source.path is None else {*segments_of(source.path.value)}
    return {written: _in_segment(value, source) for written, value in values if written not in own}


def _in_segment(value: RequestValue, source: ValueSource) -> bytes:
    raw = source.raw(value)
    if not raw:
        missing = "is empty" if raw == b"" else "is missing"
        raise BadRequest(f"{_words(value)}, a part of the path for this route, {missing}")
    if not is_one_segment(raw):
        raise BadRequest(f"{_words(value)} cannot be a part of a path")
    if value.kind == "path":
        return source.segment(value.name) or b""
    return quote(raw, safe=_IN_SEGMENTS).encode()


def _words(value: RequestValue) -> str:
    kinds = {"query": "query parameter", "path": "path parameter", "request_id": "request id"}
    return f"the {kinds.get(value.kind, value.kind)} {value.name}".rstrip()


def edited_query(query: bytes, edits: QueryEdits, source: ValueSource) -> bytes:
    """`query` with the edits. Other parameters stay as they were sent."""
    replaced = {*edits.remove, *(name for name, _ in edits.set)}
    pairs = [
        pair
        for pair in (query.split(b"&") if query else ())
        if _name_of(pair.partition(b"=")[0]) not in replaced
    ]
    for name, template in edits.set:
        value = _in_query(template, source)
        if value is not None:
            pairs.append(b"%b=%b" % (quote(name, safe="").encode(), value))
    return b"&".join(pairs)


def _in_query(template: ValueTemplate, source: ValueSource) -> bytes | None:
    """The text with its values, percent-encoded. None if one is missing."""
    pieces = []
    for part in template:
        piece = part if isinstance(part, bytes) else source.raw(part)
        if piece is None:
            return None
        pieces.append(piece)
    return quote(b"".join(pieces), safe="").encode()
