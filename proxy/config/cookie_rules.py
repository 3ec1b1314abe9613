"""Rules between the cookies of several backends."""

from collections.abc import Iterator

from proxy.config.documents.backends import BackendDoc, CohortDoc
from proxy.config.faults import Fault
from proxy.config.tree import Loc


def cookie_faults(
    backends: dict[str, BackendDoc], cohorts: dict[str, CohortDoc]
) -> Iterator[tuple[Loc, Fault]]:
    """Cookies of the table that collide. Each with the place of its backend or cohort."""
    affinity = {
        doc.session_affinity.cookie: name
        for name, doc in backends.items()
        if doc.session_affinity is not None
    }
    yield from _renamed(backends, affinity)
    for name, cohort in cohorts.items():
        for number, key in enumerate(cohort.hash_policy):
            if key.generate and key.cookie in affinity:
                text = f"`{key.cookie}` is the cookie of the facade for `{affinity[key.cookie]}`"
                at = ("hash_policy", number, "cookie")
                yield ("cohorts", name), Fault(at, text, "write another name")


def _renamed(
    backends: dict[str, BackendDoc], affinity: dict[str, str]
) -> Iterator[tuple[Loc, Fault]]:
    """`affinity` has the name of a backend for each cookie that binds clients to its endpoints."""
    taken: dict[str, tuple[str, str]] = {}
    for backend, doc in backends.items():
        for name, other in doc.cookies.rename.items():
            at = ("cookies", "rename", name)
            place: Loc = ("backends", backend)
            for each in (name, other):
                if each in affinity:
                    text = f"`{each}` is the cookie of the facade for `{affinity[each]}`"
                    yield place, Fault(at, text, "write another name")
            first, own = taken.setdefault(other, (backend, name))
            if own != name:
                text = f"`{own}` of `{first}` is renamed to `{other}` already"
                yield place, Fault(at, text, "give each its own name")
