"""Fields that are parsed and validated but not implemented (rule 15).

The change that implements a field removes it from this file.
"""

from collections.abc import Iterator

from proxy.config.documents.routes import RouteDoc
from proxy.model import UnimplementedField

_OF_ROUTES = (
    "response_ok",
    "fallback",
    "retry",
    "rollout",
    "writes",
)


def of_route(doc: RouteDoc) -> Iterator[UnimplementedField]:
    """The fields of one route that are given and not implemented."""
    for field in _OF_ROUTES:
        if getattr(doc, field) is not None:
            yield UnimplementedField("routes", doc.name, field)
    for ref in doc.backend_refs or ():
        if ref.url_rewrite is not None and ref.url_rewrite.reverse is not None:
            field = f"backend_refs[{ref.name}].url_rewrite.reverse"
            yield UnimplementedField("routes", doc.name, field)
