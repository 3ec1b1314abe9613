"""Converts `path_policy` and `path_parameters`."""

from collections.abc import Collection, Iterable, Mapping

from proxy.config.documents.backends import BackendDoc
from proxy.config.documents.path_policy import PathPolicyDoc
from proxy.model import PathPolicy


def path_policy(doc: PathPolicyDoc, base: PathPolicy) -> PathPolicy:
    """`base` with the values of `doc`."""
    return PathPolicy(
        doc.double_slash or base.double_slash,
        doc.encoded_slash or base.encoded_slash,
        doc.backslash or base.backslash,
        doc.raw_bytes or base.raw_bytes,
    )


def without_parameters(
    backends: Mapping[str, BackendDoc], references: Iterable[Collection[str]]
) -> frozenset[str]:
    """The backends that get paths without their parameters.

    `references` has the names of the backends of each route, in order. Without `path_parameters` these are the
    newcomers: backends behind another one in some route, and the first of several in none.
    """
    several = [list(names) for names in references if len(names) > 1]
    newcomers = {name for names in several for name in names[1:]}
    newcomers -= {names[0] for names in several}
    return frozenset(
        name
        for name, doc in backends.items()
        if (doc.path_parameters or ("strip" if name in newcomers else "keep")) == "strip"
    )
