"""Fields that are parsed and validated but not implemented (rule 15).

The change that implements a field removes it from this file.
"""

from collections.abc import Iterator

from proxy.config.documents.routes import RouteDoc
from proxy.model import UnimplementedField


def of_route(doc: RouteDoc) -> Iterator[UnimplementedField]:
    """The fields of one route that are given and not implemented."""
    yield from ()
