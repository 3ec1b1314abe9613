"""Edits of a table's text in place, scalar by scalar: every other byte stays as it is. Pure.

This module knows where stages and weights are written; `operations` knows what they mean, and checks the result.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from proxy.control.edits.yaml_nodes import BOM, Document, Node
from proxy.errors import EditError
from proxy.model import ALL_BP
from proxy.model.stage import Stage

_LINE_END = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_AFTER_VALUE = re.compile(r"[ \t]*")


class Splice(Struct, frozen=True, order=True):
    """Replaces the characters from `start` to `end` with `text`."""

    start: int
    end: int
    text: str


def spliced(original: bytes, document: Document, splices: Sequence[Splice]) -> bytes:
    """The text after all splices. A byte order mark stays."""
    text, pieces, position = document.text, [], 0
    for splice in sorted(splices):
        pieces += [text[position : splice.start], splice.text]
        position = splice.end
    pieces.append(text[position:])
    bom = BOM if original.startswith(BOM) else b""
    return bom + "".join(pieces).encode()


def percent_text(weight_bp: int) -> str:
    """A weight as a table has it: with at most two decimals, and none if it is whole."""
    whole, rest = divmod(weight_bp, 100)
    return str(whole) if not rest else f"{whole}.{rest:02}".rstrip("0")


# --- the kill switch ------------------------------------------------------------------------


def set_kill_switch(document: Document, on: bool) -> list[Splice]:
    """Set `kill_switch`. It is inserted after `version` if the table has none."""
    value = "true" if on else "false"
    pair = document.root.get("kill_switch")
    if pair is not None:
        return [_replaced(document, pair, value)]
    return [_inserted(document, document.root, "version", "kill_switch", value)]


# --- the stage of a route -------------------------------------------------------------------


def set_stage(document: Document, stage: Stage | None) -> list[Splice]:
    """Set the route's stage. It is inserted after the name if the route has none. None removes it."""
    route = route_of(document)
    pair = route.get("stage")
    if pair is None:
        return [] if stage is None else [_inserted(document, route, "name", "stage", stage)]
    if stage is None:
        return [_removed(document, route, pair)]
    return [_replaced(document, pair, stage)] if pair[1].text != stage else []


def _removed(document: Document, route: Node, pair: tuple[Node, Node]) -> Splice:
    """Remove what `_inserted` wrote. Raises EditError if the key is the first one or has a comment."""
    position = route.pairs.index(pair)
    before = route.pairs[position - 1][1].end if position else route.start
    text, end = document.text, pair[1].end
    if position and route.flow and text[before : pair[0].start].strip() == ",":
        return Splice(before, end, "")
    line_start = _line_start(text, pair[0].start)
    line_end = _AFTER_VALUE.match(text, end)
    after = _LINE_END.match(text, line_end.end()) if line_end else None
    is_whole_line = not text[line_start : pair[0].start].strip() and position
    if not route.flow and is_whole_line and after is not None:
        return Splice(line_start, after.end(), "")
    if not route.flow and is_whole_line and line_end is not None and line_end.end() == len(text):
        return Splice(line_start - len(_newline(text, line_start)), len(text), "")
    raise EditError(
        "the route had no stage then, and `stage:` cannot be taken out without touching what stands "
        "around it: take it out by hand"
    )


# --- the weights of a route -----------------------------------------------------------------


def written_weights(document: Document) -> dict[str, int | None]:
    """The backends of the route in file order, with their weights in hundredths of a per cent.

    None stands for a weight that is not in the text. Raises EditError for a route without references.
    """
    refs = _refs(document)
    if refs.kind == "scalar":
        return {refs.text: None}
    if refs.kind == "map" and (name := refs.get("name")) and _is_text(name[1]):
        return {name[1].text: None}
    if refs.kind == "map":
        return {key.text: _bp(value) for key, value in refs.pairs}
    weights: dict[str, int | None] = {}
    for item in refs.items:
        backend, weight = _name_and_weight(document, item)
        weights[backend.text] = None if weight is None else _bp(weight)
    return weights


def set_weights(document: Document, weights: Mapping[str, int]) -> list[Splice]:
    """Set the weight of every reference. The route has several."""
    refs = _refs(document)
    if refs.kind == "map":
        pairs = [pair for pair in refs.pairs if _bp(pair[1]) != weights[pair[0].text]]
        return [_replaced(document, pair, percent_text(weights[pair[0].text])) for pair in pairs]
    return [
        splice
        for item in refs.items
        for splice in _weighted(document, item, weights[_name_and_weight(document, item)[0].text])
    ]


def _weighted(document: Document, item: Node, weight_bp: int) -> list[Splice]:
    weight = percent_text(weight_bp)
    if item.kind == "scalar":
        _refuse_shared(document, item)
        name = document.text[item.start : item.end]
        quote = item.style if item.style == '"' else ""
        keys = (f"{quote}{key}{quote}" for key in ("name", "weight"))
        name_key, weight_key = keys
        return [Splice(item.start, item.end, f"{{{name_key}: {name}, {weight_key}: {weight}}}")]
    pair = item.get("weight")
    if pair is None:
        return [_inserted(document, item, "name", "weight", weight)]
    return [] if _bp(pair[1]) == weight_bp else [_replaced(document, pair, weight)]


def _refs(document: Document) -> Node:
    route = route_of(document)
    pair = route.get("backend_refs")
    if pair is None:
        name = route.get("name")
        raise EditError(
            f"route {name[1].text if name else ''} has no backend_refs: it answers by itself"
        )
    return _unshared(document, pair[1], "backend_refs")


def _name_and_weight(document: Document, item: Node) -> tuple[Node, Node | None]:
    item = _unshared(document, item, "a reference")
    if item.kind == "scalar":
        return item, None
    name, weight = item.get("name"), item.get("weight")
    if name is None:
        raise EditError("a reference in backend_refs has no name")
    return (
        _unshared(document, name[1], "the name of a reference"),
        None if weight is None else _unshared(document, weight[1], "weight"),
    )


def _is_text(node: Node) -> bool:
    return node.kind == "scalar" and not node.text[:1].isdigit()


def _bp(node: Node) -> int | None:
    """Hundredths of a per cent. None for an alias, which `_replaced` refuses."""
    whole, _, rest = node.text.partition(".")
    if node.kind != "scalar" or not whole.isdigit():
        return None
    return min(int(whole) * 100 + int(rest.ljust(2, "0")[:2]), ALL_BP)


# --- the mirror of a route -------------------------------------------------------------------


def set_percent(document: Document, percent_bp: int) -> list[Splice]:
    """Set `percent` of the route's `mirror`. It is inserted after the first key if there is none."""
    pair = route_of(document).get("mirror")
    assert pair is not None, "the caller has looked"
    mirror = _unshared(document, pair[1], "mirror")
    percent = mirror.get("percent")
    if percent is not None:
        return [_replaced(document, percent, percent_text(percent_bp))]
    if not mirror.pairs:
        raise EditError("`mirror` has no key: write `mirror: {percent: 0}` first")
    first = mirror.pairs[0][0].text
    return [_inserted(document, mirror, first, "percent", percent_text(percent_bp))]


# --- one scalar -----------------------------------------------------------------------------


def route_of(document: Document) -> Node:
    """The route that is edited. Raises EditError for a route that is written as an alias."""
    if document.route is None:
        raise EditError(
            "the route is written with an alias (`*…`), which cannot be edited in place: write it out, "
            "or edit it by hand"
        )
    return document.route


def _unshared(document: Document, node: Node, what: str) -> Node:
    """`node`. Raises EditError if it is an alias, or if an alias refers to it."""
    if node.kind == "alias":
        raise EditError(
            f"{what} is an alias (`*{node.text}`), which cannot be edited in place: write the value "
            "out, or edit the table by hand"
        )
    _refuse_shared(document, node)
    return node


def _refuse_shared(document: Document, node: Node) -> None:
    if node.anchor and f"*{node.anchor}" in document.text:
        raise EditError(
            f"`&{node.anchor}` is shared with `*{node.anchor}` elsewhere, so an edit in place would "
            "change both: write the values out, or edit the table by hand"
        )


def _replaced(document: Document, pair: tuple[Node, Node], value: str) -> Splice:
    """Replace the value of a pair, which is a scalar. Its quotation marks stay."""
    node = _unshared(document, pair[1], pair[0].text)
    if node.kind != "scalar" or node.style not in ("", "'", '"'):
        raise EditError(f"`{pair[0].text}` is not written on one line: edit the table by hand")
    # The span begins with the anchor, if there is one.
    length = len(node.text) + 2 * len(node.style)
    written = f"{node.style}{node.text}{node.style}"
    start = node.end - length
    if document.text[start : node.end] != written:
        raise EditError(f"`{pair[0].text}` is written with escapes: edit the table by hand")
    return Splice(start, node.end, f"{node.style}{value}{node.style}")


def _inserted(document: Document, block: Node, neighbour: str, key: str, value: str) -> Splice:
    """Insert an entry after the one of `neighbour`, in the same style."""
    pair = block.get(neighbour)
    if pair is None:
        raise EditError(f"`{neighbour}` is missing where `{key}` has to go: edit the table by hand")
    text, quote = document.text, pair[0].style
    value = f"{quote}{value}{quote}" if quote and value.isalpha() and key == "stage" else value
    entry = f"{quote}{key}{quote}: {value}"
    if block.flow:
        return Splice(pair[1].end, pair[1].end, f", {entry}")
    line_end = _LINE_END.search(text, pair[1].end)
    newline = _newline(text, line_end.end() if line_end else len(text))
    at = line_end.start() if line_end else len(text)
    return Splice(at, at, f"{newline}{' ' * pair[0].column}{entry}")


def _line_start(text: str, at: int) -> int:
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def _newline(text: str, at: int) -> str:
    """The line end before `at`; if there is none, the first one of the text."""
    if text[:at].endswith("\r\n"):
        return "\r\n"
    if text[:at].endswith("\n"):
        return "\n"
    first = _LINE_END.search(text)
    return first[0] if first and first[0] in ("\r\n", "\n", "\r") else "\n"
