"""Changes of a table's text, scalar by scalar: every other byte stays as it was. Pure.

A `Splice` puts a text in the place of a span. Nothing here knows what stages and weights mean; `edit`
does, and has the result loaded and compared before anybody writes it.
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
    """`text` instead of what stands from `start` to `end`, in characters."""

    start: int
    end: int
    text: str


def spliced(original: bytes, document: Document, splices: Sequence[Splice]) -> bytes:
    """The text with all changes made; its byte order mark stays."""
    text, pieces, at = document.text, [], 0
    for splice in sorted(splices):
        pieces += [text[at : splice.start], splice.text]
        at = splice.end
    pieces.append(text[at:])
    bom = BOM if original.startswith(BOM) else b""
    return bom + "".join(pieces).encode()


def percent_text(weight_bp: int) -> str:
    """A weight as it is written in a table: at most two decimals, none if it is whole."""
    whole, rest = divmod(weight_bp, 100)
    return str(whole) if not rest else f"{whole}.{rest:02}".rstrip("0")


# --- the kill switch ------------------------------------------------------------------------


def set_kill_switch(document: Document, on: bool) -> list[Splice]:
    """`kill_switch` as it should be, put behind `version` where the table has none."""
    word = "true" if on else "false"
    found = document.root.get("kill_switch")
    if found is not None:
        return [_replaced(document, found, word)]
    return [_behind(document, document.root, "version", "kill_switch", word)]


# --- the stage of a route -------------------------------------------------------------------


def set_stage(document: Document, stage: Stage | None) -> list[Splice]:
    """The route's stage as it should be, put behind its name where it has none; None takes it out."""
    route = route_of(document)
    found = route.get("stage")
    if found is None:
        return [] if stage is None else [_behind(document, route, "name", "stage", stage)]
    if stage is None:
        return [_taken_out(document, route, found)]
    return [_replaced(document, found, stage)] if found[1].text != stage else []


def _taken_out(document: Document, route: Node, pair: tuple[Node, Node]) -> Splice:
    """What `_behind` put in, and nothing else: a key with a comment or at the beginning stays."""
    position = route.pairs.index(pair)
    before = route.pairs[position - 1][1].end if position else route.start
    text, end = document.text, pair[1].end
    if position and route.flow and text[before : pair[0].start].strip() == ",":
        return Splice(before, end, "")
    line_start = _line_start(text, pair[0].start)
    line_end = _AFTER_VALUE.match(text, end)
    after = _LINE_END.match(text, line_end.end()) if line_end else None
    alone = not text[line_start : pair[0].start].strip() and position
    if not route.flow and alone and after is not None:
        return Splice(line_start, after.end(), "")
    if not route.flow and alone and line_end is not None and line_end.end() == len(text):
        return Splice(line_start - len(_newline(text, line_start)), len(text), "")
    raise EditError(
        "the route had no stage then, and `stage:` cannot be taken out without touching what stands "
        "around it: take it out by hand"
    )


# --- the weights of a route -----------------------------------------------------------------


def written_weights(document: Document) -> dict[str, int | None]:
    """The references of the route in file order, with the weights (hundredths of a per cent) that are
    written; None where none is. Raises EditError for a route without references."""
    refs = _refs(document)
    if refs.kind == "scalar":
        return {refs.text: None}
    if refs.kind == "map" and (lone := refs.get("name")) and _is_text(lone[1]):
        return {lone[1].text: None}
    if refs.kind == "map":
        return {key.text: _bp(value) for key, value in refs.pairs}
    found: dict[str, int | None] = {}
    for item in refs.items:
        name, weight = _parts(document, item)
        found[name.text] = None if weight is None else _bp(weight)
    return found


def set_weights(document: Document, weights: Mapping[str, int]) -> list[Splice]:
    """The weights as they should be, for every reference of a route that has several."""
    refs = _refs(document)
    if refs.kind == "map":
        pairs = [pair for pair in refs.pairs if _bp(pair[1]) != weights[pair[0].text]]
        return [_replaced(document, pair, percent_text(weights[pair[0].text])) for pair in pairs]
    return [
        splice
        for item in refs.items
        for splice in _weighted(document, item, weights[_parts(document, item)[0].text])
    ]


def _weighted(document: Document, item: Node, weight_bp: int) -> list[Splice]:
    wanted = percent_text(weight_bp)
    if item.kind == "scalar":
        _refuse_shared(document, item)
        name = document.text[item.start : item.end]
        quote = item.style if item.style == '"' else ""
        keys = (f"{quote}{key}{quote}" for key in ("name", "weight"))
        name_key, weight_key = keys
        return [Splice(item.start, item.end, f"{{{name_key}: {name}, {weight_key}: {wanted}}}")]
    found = item.get("weight")
    if found is None:
        return [_behind(document, item, "name", "weight", wanted)]
    return [] if _bp(found[1]) == weight_bp else [_replaced(document, found, wanted)]


def _refs(document: Document) -> Node:
    route = route_of(document)
    found = route.get("backend_refs")
    name = route.get("name")
    shown = name[1].text if name else ""
    if found is None:
        raise EditError(f"route {shown} has no backend_refs: it answers by itself")
    return _own(document, found[1], "backend_refs")


def _parts(document: Document, item: Node) -> tuple[Node, Node | None]:
    item = _own(document, item, "a reference")
    if item.kind == "scalar":
        return item, None
    name, weight = item.get("name"), item.get("weight")
    if name is None:
        raise EditError("a reference in backend_refs has no name")
    return (
        _own(document, name[1], "the name of a reference"),
        None if weight is None else _own(document, weight[1], "weight"),
    )


def _is_text(node: Node) -> bool:
    return node.kind == "scalar" and not node.text[:1].isdigit()


def _bp(node: Node) -> int | None:
    """Of a plain number; None for an alias, which `_replaced` refuses."""
    whole, _, rest = node.text.partition(".")
    if node.kind != "scalar" or not whole.isdigit():
        return None
    return min(int(whole) * 100 + int(rest.ljust(2, "0")[:2]), ALL_BP)


# --- one scalar -----------------------------------------------------------------------------


def route_of(document: Document) -> Node:
    """The route that is edited. Raises EditError if it stands where no edit can find it."""
    if document.route is None:
        raise EditError(
            "the route is written with an alias (`*…`), which cannot be edited in place: write it out, "
            "or edit it by hand"
        )
    return document.route


def _own(document: Document, node: Node, what: str) -> Node:
    """`node`, if it is written here and nowhere else."""
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


def _replaced(document: Document, pair: tuple[Node, Node], wanted: str) -> Splice:
    """Another value for a scalar, between the quotation marks that it has."""
    node = _own(document, pair[1], pair[0].text)
    if node.kind != "scalar" or node.style not in ("", "'", '"'):
        raise EditError(f"`{pair[0].text}` is not written on one line: edit the table by hand")
    # A span begins with its anchor, if there is one.
    length = len(node.text) + 2 * len(node.style)
    written = f"{node.style}{node.text}{node.style}"
    start = node.end - length
    if document.text[start : node.end] != written:
        raise EditError(f"`{pair[0].text}` is written with escapes: edit the table by hand")
    return Splice(start, node.end, f"{node.style}{wanted}{node.style}")


def _behind(document: Document, block: Node, neighbour: str, key: str, value: str) -> Splice:
    """A new entry behind the one of `neighbour`, written as that one is."""
    found = block.get(neighbour)
    if found is None:
        raise EditError(f"`{neighbour}` is missing where `{key}` has to go: edit the table by hand")
    text, quote = document.text, found[0].style
    value = f"{quote}{value}{quote}" if quote and value.isalpha() and key == "stage" else value
    entry = f"{quote}{key}{quote}: {value}"
    if block.flow:
        return Splice(found[1].end, found[1].end, f", {entry}")
    line_end = _LINE_END.search(text, found[1].end)
    newline = _newline(text, line_end.end() if line_end else len(text))
    at = line_end.start() if line_end else len(text)
    return Splice(at, at, f"{newline}{' ' * found[0].column}{entry}")


def _line_start(text: str, at: int) -> int:
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def _newline(text: str, at: int) -> str:
    """How lines end: the one that ends at `at`, else the first of the text."""
    if text[:at].endswith("\r\n"):
        return "\r\n"
    if text[:at].endswith("\n"):
        return "\n"
    found = _LINE_END.search(text)
    return found[0] if found and found[0] in ("\r\n", "\n", "\r") else "\n"
