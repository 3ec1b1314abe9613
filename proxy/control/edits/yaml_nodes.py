"""Positions in a table's text: the part of its YAML tree that is needed to edit a scalar in place. Pure.

Only the top level and one route become nodes; other events are skipped. So finding one of ten thousand routes takes
hardly longer than parsing. Spans count characters.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from yaml import CSafeLoader
from yaml.events import (
    AliasEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)


class Node(Struct, frozen=True):
    """A scalar, a mapping, a list or an alias, and its span."""

    kind: str
    start: int
    end: int
    column: int
    text: str = ""
    """Of a scalar: its value. Of an alias: the name of its anchor."""
    style: str = ""
    """Of a scalar: the quotation mark, `|`, `>`, or empty for a plain one."""
    anchor: str = ""
    flow: bool = False
    pairs: tuple[tuple["Node", "Node"], ...] = ()
    items: tuple["Node", ...] = ()

    def get(self, key: str) -> "tuple[Node, Node] | None":
        """The entry of a mapping."""
        for pair in self.pairs:
            if pair[0].text == key:
                return pair
        return None


class Document(Struct, frozen=True):
    """A table's text. `root` is the top level without the content of its sections. `route` is the requested route."""

    text: str
    root: Node
    route: Node | None


BOM = b"\xef\xbb\xbf"


def read_document(text: bytes, route: str | None) -> Document:
    """Parse a text that loads as a table. `route` is the name of the requested route."""
    decoded = text.removeprefix(BOM).decode()
    events = _events(decoded)
    next(events)  # The start of the document.
    start = next(events)
    pairs: list[tuple[Node, Node]] = []
    route_node: Node | None = None
    while isinstance(event := next(events), ScalarEvent):
        key = _scalar(event)
        value = next(events)
        if key.text == "routes" and route is not None and isinstance(value, SequenceStartEvent):
            route_node = _find_route(events, route)
            pairs.append((key, _skipped(value)))
        elif isinstance(value, ScalarEvent):
            pairs.append((key, _scalar(value)))
        else:
            _skip(value, events)
            pairs.append((key, _skipped(value)))
    mark = start.start_mark
    root = Node(
        "map", mark.index, mark.index, mark.column, flow=bool(start.flow_style), pairs=tuple(pairs)
    )
    return Document(decoded, root, route_node)


def read_item(lines: bytes) -> Document:
    """Parse the lines of one route, which are a list of one item. The top level stays empty."""
    text = lines.decode()
    events = _events(text)
    next(events)  # The start of the document.
    next(events)  # The start of the list.
    return Document(text, Node("map", 0, 0, 0), _node(events))


def _events(text: str) -> Iterator[Any]:
    loader = CSafeLoader(text)
    loader.get_event()
    return iter(loader.get_event, None)


def _find_route(events: Iterator[Any], name: str) -> Node | None:
    """The item with this name in the list of routes. Reads the list to its end."""
    route = None
    while hasattr(event := next(events), "anchor"):
        item = [event, *_events_within(event, events)]
        # Comparing the events is cheap; nodes are made only for an item in which the name occurs.
        if route is None and any(each for each in item if getattr(each, "value", None) == name):
            node = _node(iter(item))
            pair = node.get("name")
            if pair is not None and pair[1].text == name:
                route = node
    return route


def _events_within(start: Any, events: Iterator[Any]) -> Iterator[Any]:
    """The events after `start`, up to its end."""
    depth = int(isinstance(start, MappingStartEvent | SequenceStartEvent))
    while depth:
        event = next(events)
        kind = type(event)
        if kind is not ScalarEvent and kind is not AliasEvent:
            depth += 1 if kind is MappingStartEvent or kind is SequenceStartEvent else -1
        yield event


def _skip(start: Any, events: Iterator[Any]) -> None:
    for _ in _events_within(start, events):
        continue


def _skipped(event: Any) -> Node:
    mark = event.start_mark
    return Node("skipped", mark.index, mark.index, mark.column, anchor=event.anchor or "")


def _node(events: Iterator[Any]) -> Node:
    event = next(events)
    if isinstance(event, ScalarEvent):
        return _scalar(event)
    if isinstance(event, AliasEvent):
        return _alias(event)
    return _container(event, events)


def _container(start: Any, events: Iterator[Any]) -> Node:
    children: list[Node] = []
    while hasattr(end := next(events), "anchor"):
        inner = _events_within(end, events)
        children.append(_node(iter([end, *inner])))
    first, anchor, flow = start.start_mark, start.anchor or "", bool(start.flow_style)
    if isinstance(start, MappingStartEvent):
        pairs = tuple(zip(children[::2], children[1::2], strict=True))
        return Node(
            "map",
            first.index,
            end.end_mark.index,
            first.column,
            anchor=anchor,
            flow=flow,
            pairs=pairs,
        )
    return Node(
        "list",
        first.index,
        end.end_mark.index,
        first.column,
        anchor=anchor,
        flow=flow,
        items=tuple(children),
    )


def _alias(event: Any) -> Node:
    return Node("alias", *_span(event), event.start_mark.column, event.anchor)


def _scalar(event: Any) -> Node:
    start, end = _span(event)
    column = event.start_mark.column
    style = event.style or ""
    return Node("scalar", start, end, column, event.value, style, event.anchor or "")


def _span(event: Any) -> tuple[int, int]:
    return event.start_mark.index, event.end_mark.index
