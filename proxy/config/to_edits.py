"""Converts edits of header fields and queries, and CORS policies, into the values of `proxy.model`."""

from proxy.config.documents.cors import CorsDoc
from proxy.config.documents.headers import HeaderEditsDoc
from proxy.config.documents.routes import QueryEditsDoc
from proxy.config.request_values import parse
from proxy.model import Cors, HeaderEdits, QueryEdits, ValueTemplate, field_name

_Fixed = tuple[tuple[bytes, bytes], ...]
_Values = tuple[tuple[bytes, ValueTemplate], ...]


def headers(doc: HeaderEditsDoc) -> HeaderEdits:
    """Edits of header fields."""
    fixed, values = _split(doc.set)
    added, added_values = _split(doc.add)
    remove = tuple(name.encode() for name in doc.remove)
    return HeaderEdits(fixed, added, remove, values, added_values)


def _split(fields: dict[str, str]) -> tuple[_Fixed, _Values]:
    """The fields with a fixed value, and those with values of the request."""
    fixed: list[tuple[bytes, bytes]] = []
    values: list[tuple[bytes, ValueTemplate]] = []
    for written, text in fields.items():
        name, parts = field_name(written.encode()), parse(text)
        texts = [part for part in parts if isinstance(part, bytes)]
        if len(texts) == len(parts):
            fixed.append((name, b"".join(texts)))
        else:
            values.append((name, parts))
    return tuple(fixed), tuple(values)


def query(doc: QueryEditsDoc | None) -> QueryEdits | None:
    """Edits of the query."""
    if doc is None:
        return None
    return QueryEdits(
        tuple((name, parse(text)) for name, text in doc.set.items()), tuple(doc.remove)
    )


def cors(doc: CorsDoc) -> Cors:
    """A CORS policy."""
    return Cors(
        tuple(doc.allow_origins),
        tuple(doc.allow_methods),
        tuple(doc.allow_headers),
        tuple(doc.expose_headers),
        None if doc.max_age is None else int(doc.max_age),
        doc.allow_credentials,
        doc.preflight == "forward",
    )
