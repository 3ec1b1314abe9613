"""A tree of the matches of one host, by the segments of their paths. Pure. `match` has the theory of operation."""

from collections.abc import Iterator, Sequence

from proxy.model import Facts, MatchedRoute
from proxy.routing.path_shape import shape_of
from proxy.routing.predicates import Predicate


class Entry:
    """A match in the index, with its place in the order of precedence and its predicates."""

    __slots__ = ("matched", "predicates", "rank")

    def __init__(self, rank: int, matched: MatchedRoute, predicates: tuple[Predicate, ...]) -> None:
        self.rank = rank
        self.matched = matched
        self.predicates = predicates


class Node:
    """A node of the tree: the matches whose path ends here, and the prefixes that match everything below."""

    __slots__ = ("children", "ends", "prefixes", "star")

    def __init__(self) -> None:
        # Empty containers are not created: in a large table each object that is touched is a cache miss.
        self.children: dict[bytes, Node] | None = None
        self.star: Node | None = None
        self.ends: list[Entry] | None = None
        self.prefixes: list[Entry] | None = None

    def child(self, segment: bytes | None) -> "Node":
        """The node of a segment, or of a parameter."""
        if segment is None:
            self.star = self.star or Node()
            return self.star
        if self.children is None:
            self.children = {}
        return self.children.setdefault(segment, Node())

    def below(self) -> "list[Node]":
        """The nodes of the next segment."""
        nodes = [] if self.children is None else list(self.children.values())
        return nodes if self.star is None else [*nodes, self.star]

    def add_prefix(self, entry: Entry) -> None:
        if self.prefixes is None:
            self.prefixes = []
        self.prefixes.append(entry)

    def add_end(self, entry: Entry) -> None:
        if self.ends is None:
            self.ends = []
        self.ends.append(entry)


class PathTree:
    """The matches of one host: all of them heed case, or all ignore it."""

    __slots__ = ("first", "mixed", "root", "without_path")

    def __init__(self, first: int = 0) -> None:
        self.root = Node()
        self.without_path: list[Entry] = []
        self.first = first
        """The rank of the first entry, which is the lowest."""
        self.mixed = False
        """An entry of `without_path` has a lower rank than one of the tree: only `priority` causes that."""

    def add(self, entry: Entry) -> None:
        """Entries have to be added in order of rank."""
        path = entry.matched.match.path
        if path is None or path.kind == "regex":
            self.without_path.append(entry)
            return
        self.mixed = bool(self.without_path)
        node, shape = self.root, shape_of(path)
        for segment in shape.segments:
            node = node.child(segment)
        if shape.is_open:
            node.add_prefix(entry)
            return
        node.add_end(entry)
        if shape.ignore_trailing_slash:
            node.child(b"").add_end(entry)

    def nodes(self) -> Iterator[Node]:
        """The nodes, each before those below it."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.below()

    def best(
        self, segments: Sequence[bytes], facts: Facts, path: bytes, best: Entry | None
    ) -> Entry | None:
        """The entry of lowest rank that matches, or `best` of another tree if that has a lower rank."""
        result = _best(self.candidates(segments), facts, path, best)
        if self.without_path and (result is None or result is best or self.mixed):
            result = _best([self.without_path], facts, path, result)
        return result

    def candidates(self, segments: Sequence[bytes]) -> list[list[Entry]]:
        """The entries of every node that matches the path, the deepest nodes last."""
        groups: list[list[Entry]] = []
        waiting: list[tuple[Node, int]] = []
        node: Node | None = self.root
        depth, last = 0, len(segments)
        while True:
            while node is not None:
                if node.prefixes:
                    groups.append(node.prefixes)
                if depth == last:
                    if node.ends:
                        groups.append(node.ends)
                    break
                segment = segments[depth]
                depth += 1
                star, children = node.star, node.children
                node = None if children is None else children.get(segment)
                if star is not None and segment:
                    if node is None:
                        node = star
                    else:
                        waiting.append((star, depth))
            if not waiting:
                return groups
            node, depth = waiting.pop()


def _best(groups: list[list[Entry]], facts: Facts, path: bytes, best: Entry | None) -> Entry | None:
    """The entry of lowest rank whose predicates all hold. The deepest nodes, the most likely ones, come first."""
    for group in reversed(groups):
        for entry in group:
            if best is not None and entry.rank >= best.rank:
                break
            if not entry.predicates or all(each.holds(facts, path) for each in entry.predicates):
                best = entry
                break
    return best
