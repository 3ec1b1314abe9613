"""Fields that are parsed and validated, but that no machinery obeys yet (rule 15).

A field leaves this file in the change that makes it work.
"""

from collections.abc import Iterator

from proxy.config.documents.backends import BackendDoc, CohortDoc
from proxy.config.documents.routes import RouteDoc

_OF_BACKENDS = ("health_check", "outlier_detection")
_OF_COHORTS = ("read_your_writes",)
_OF_ROUTES = (
    "cohort",
    "override",
    "response_ok",
    "mirror",
    "fallback",
    "retry",
    "rollout",
    "writes",
)


def of_backend(name: str, doc: BackendDoc) -> Iterator[str]:
    """The fields of one backend that are in use and not obeyed."""
    for field in _OF_BACKENDS:
        if getattr(doc, field) is not None:
            yield f"backends[{name}].{field}"


def of_cohort(name: str, doc: CohortDoc) -> Iterator[str]:
    """The fields of one cohort that are in use and not obeyed."""
    for field in _OF_COHORTS:
        if getattr(doc, field) is not None:
            yield f"cohorts[{name}].{field}"


def of_route(doc: RouteDoc) -> Iterator[str]:
    """The fields of one route that are in use and not obeyed."""
    for field in _OF_ROUTES:
        if getattr(doc, field) is not None:
            yield f"routes[{doc.name}].{field}"
    if doc.mirror is not None and doc.mirror.compare is not None:
        yield f"routes[{doc.name}].mirror.compare"
    for ref in doc.backend_refs or ():
        if ref.url_rewrite is not None and ref.url_rewrite.reverse is not None:
            yield f"routes[{doc.name}].backend_refs[{ref.name}].url_rewrite.reverse"
