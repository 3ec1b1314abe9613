"""Rules between the cookies of several backends."""

from collections.abc import Iterator

from proxy.config.documents.backends import BackendDoc
from proxy.config.faults import Fault
from proxy.config.tree import Loc


def cookie_faults(backends: dict[str, BackendDoc]) -> Iterator[tuple[Loc, Fault]]:
    """Renamed cookies that another cookie of the table collides with. Each with the place of its backend."""
    affinity = {
        doc.session_affinity.cookie: name
        for name, doc in backends.items()
        if doc.session_affinity is not None
    }
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
