"""The differences of one comparison: each place once, and not more than a bound."""

from proxy.comparison.json_reader import Json
from proxy.comparison.outcome import Difference, Example, Kind, Place
from proxy.comparison.places import Chain, Node, pointer
from proxy.comparison.redaction import example_of

MAX_PLACES = 100


class Differences:
    """Collects differences. A place counts once, with its first example."""

    def __init__(self) -> None:
        self._places: dict[Place, Difference] = {}

    def add(self, path: str, kind: Kind, left: Example = None, right: Example = None) -> None:
        """Add a difference of a path that is no JSON pointer."""
        if len(self._places) < MAX_PLACES:
            self._places.setdefault((path, kind), Difference(path, kind, left, right))

    def add_value(
        self, at: tuple[Chain, Node], kind: Kind, left: Json = None, right: Json = None
    ) -> None:
        """Add a difference in JSON."""
        chain, node = at
        name = chain[1] if chain else ""
        path = pointer(chain)
        if (path, kind) not in self._places:
            self.add(path, kind, example_of(left, node, name), example_of(right, node, name))

    def has(self, path: str, kind: Kind) -> bool:
        return (path, kind) in self._places

    def __bool__(self) -> bool:
        return bool(self._places)

    def all(self) -> tuple[Difference, ...]:
        return tuple(self._places.values())
