"""Converts the `errors` of a route and of the defaults."""

from collections.abc import Iterator

from proxy.config.documents.errors import ErrorBodyDoc
from proxy.config.tree import Loc, Tree
from proxy.model import ErrorBodies, ErrorBody, ErrorFile

Docs = dict[str, ErrorBodyDoc]


def laid_over(own: Docs, base: Docs) -> Docs:
    """`own`, and what it leaves of `base`: a class in `own` replaces each of its statuses in `base`."""
    if not own:
        return base
    left = {key: doc for key, doc in base.items() if key not in own and _class(key) not in own}
    return {**left, **own}


def _class(key: str) -> str:
    return f"{key[0]}xx"


def model(docs: Docs) -> ErrorBodies:
    """The bodies, as the table's model has them."""
    return tuple((key, _body(doc)) for key, doc in docs.items())


def _body(doc: ErrorBodyDoc) -> ErrorBody:
    return ErrorBody(doc.effective_type().encode(), (doc.body or "").encode(), doc.file)


def files(docs: Docs, at: Loc, tree: Tree) -> Iterator[ErrorFile]:
    """The files that `docs` names. `at` is the place of the `errors` block in the table."""
    for key, doc in docs.items():
        if doc.file is not None:
            position = tree.position((*at, key, "file"))
            yield ErrorFile(doc.file, position.line, position.column)
