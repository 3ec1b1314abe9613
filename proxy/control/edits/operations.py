"""A table's text with one thing changed: shift, stage, rollback, kill switch and its end. Pure.

Each edit is made by `surgery`, loaded as the facade would load it, and compared with the table before:
if the text means anything but the wanted change, it is refused.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from proxy.config.faults import did_you_mean
from proxy.config.load import load
from proxy.control.changes import (
    Changes,
    RouteChange,
    RouteState,
    changes_between,
    state_of,
    state_text,
)
from proxy.control.edits.splices import (
    Splice,
    percent_text,
    set_kill_switch,
    set_stage,
    set_weights,
    spliced,
    written_weights,
)
from proxy.control.edits.yaml_nodes import Document, read_document
from proxy.errors import EditError, TableError
from proxy.model import ALL_BP, Route, RouteTable
from proxy.model.stage import STAGES, Stage

_WEIGHT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,2})?")


class ParsedTable(Struct, frozen=True):
    """A text that loads, and the table that it means."""

    text: bytes
    file: str
    table: RouteTable


class EditedTable(Struct, frozen=True):
    """What an edit made of a text."""

    text: bytes
    table: RouteTable
    changes: Changes


class Consent(Struct, frozen=True):
    """What an operator says to a jump."""

    force: bool = False
    reason: str = ""


def parsed_table(text: bytes, file: str) -> ParsedTable:
    """Raises TableError for a text that the facade would not load."""
    return ParsedTable(text, file, load(text, file).table)


# --- the edits: None is "it is so already" --------------------------------------------------


def shift(
    parsed: ParsedTable, name: str, given: Mapping[str, int], consent: Consent
) -> EditedTable | None:
    """Other weights, and the stage that they need. `given` in hundredths of a per cent.

    Raises EditError, like every edit here.
    """
    route = find_route(parsed.table, name)
    document = read_document(parsed.text, name)
    if route.stage == "retired":
        raise EditError(
            f"route {name} is retired and answers by itself: bring it back with "
            f"`facade stage {name} canary --weight N`"
        )
    order = list(written_weights(document))
    _refuse_lone(name, order)
    weights = _completed(name, order, given)
    stage = None if route.stage is None else _stage_for(route.stage, weights[order[-1]])
    return _moved(parsed, document, route, stage, weights, consent)


def change_stage(
    parsed: ParsedTable, name: str, stage: Stage, weight_bp: int | None, consent: Consent
) -> EditedTable | None:
    """Another stage, and the weights that it needs."""
    route = find_route(parsed.table, name)
    document = read_document(parsed.text, name)
    if weight_bp is not None and stage != "canary":
        raise EditError(f"--weight is for canary alone: stage {stage} has its own weights")
    if stage == "retired":
        return _moved(parsed, document, route, stage, {}, consent)
    written = written_weights(document)
    if len(written) == 1 and stage == "legacy":
        return _moved(parsed, document, route, stage, dict.fromkeys(written, ALL_BP), consent)
    _refuse_lone(name, list(written))
    if len(written) != 2:
        raise EditError(
            f"route {name} has {len(written)} backends: a stage needs two, the incumbent and the newcomer"
        )
    now = {ref.backend: ref.weight_bp for ref in route.backend_refs} or written
    incumbent, newcomer = written
    share_bp = _newcomer_bp(name, stage, weight_bp, now[newcomer])
    weights = {incumbent: ALL_BP - share_bp, newcomer: share_bp}
    return _moved(parsed, document, route, stage, weights, consent)


def back_to(parsed: ParsedTable, name: str, state: RouteState) -> EditedTable | None:
    """The state that a route had before. No rule about jumps holds here."""
    route = find_route(parsed.table, name)
    document = read_document(parsed.text, name)
    weights = {backend: round(weight * 100) for backend, weight in state.weights.items()}
    if weights and list(written_weights(document)) != list(weights):
        raise EditError(
            f"route {name} had other backends then ({', '.join(weights)}): `facade history` shows the "
            "versions, `facade revert VERSION` brings one back"
        )
    return _moved(parsed, document, route, state.stage, weights, Consent(True, "rollback"))


def kill(parsed: ParsedTable) -> EditedTable | None:
    """The kill switch on."""
    if parsed.table.kill_switch:
        return None
    return _switched(parsed, True)


def resume(parsed: ParsedTable) -> EditedTable | None:
    """The kill switch off."""
    return _switched(parsed, False) if parsed.table.kill_switch else None


def _switched(parsed: ParsedTable, on: bool) -> EditedTable:
    document = read_document(parsed.text, None)
    return _checked(parsed, document, set_kill_switch(document, on), Changes(kill_switch=on))


def _moved(
    parsed: ParsedTable,
    document: Document,
    route: Route,
    stage: Stage | None,
    weights: Mapping[str, int],
    consent: Consent,
) -> EditedTable | None:
    """The route with this stage and these weights; a retired one has none, and keeps what is written."""
    before = state_of(route)
    _refuse_jump(before, stage, consent)
    splices = set_stage(document, stage)
    if len(weights) > 1 and not _follow_from(stage, document):
        splices += set_weights(document, weights)
    after = RouteState(stage, _in_percent(weights))
    if before == after:
        return None
    change = RouteChange(route.name, before, after)
    return _checked(parsed, document, splices, Changes(routes=(change,)))


def _checked(
    parsed: ParsedTable, document: Document, splices: Sequence[Splice], wanted: Changes
) -> EditedTable:
    """The new text, if it loads and means what is wanted and nothing else."""
    text = spliced(parsed.text, document, splices)
    try:
        table = load(text, parsed.file).table
    except TableError as error:
        raise EditError(f"the table would not load so, and nothing was written:\n{error}") from None
    if changes_between(parsed.table, table) != wanted:
        raise EditError(
            "the edit cannot be made in place without changing something else, and nothing was "
            "written: edit the table by hand"
        )
    return EditedTable(text, table, wanted)


# --- the rules ------------------------------------------------------------------------------


def find_route(table: RouteTable, name: str) -> Route:
    """Raises EditError for a name that no route has."""
    for route in table.routes:
        if route.name == name:
            return route
    hint = did_you_mean(name, [route.name for route in table.routes])
    raise EditError(f"there is no route `{name}`: {hint}")


def read_stage(word: str) -> Stage:
    """Raises EditError for a word that is no stage."""
    for stage in STAGES:
        if stage == word:
            return stage
    raise EditError(f"there is no stage `{word}`: {did_you_mean(word, STAGES)}")


def read_weight(text: str) -> int:
    """Hundredths of a per cent. Raises EditError."""
    if not _WEIGHT.fullmatch(text) or float(text) > 100:
        raise EditError(
            f"`{text}` is no weight: write a number from 0 to 100 with at most two decimals, like 20"
        )
    return round(float(text) * 100)


def read_weights(texts: Sequence[str]) -> dict[str, int]:
    """`BACKEND=WEIGHT`, each backend once. Raises EditError."""
    found: dict[str, int] = {}
    for text in texts:
        name, equals, weight = text.rpartition("=")
        if not (equals and name):
            raise EditError(f"`{text}` is no weight: write BACKEND=WEIGHT, like flightspecials=20")
        if name in found:
            raise EditError(f"backend `{name}` is given twice: write one weight for it")
        found[name] = read_weight(weight)
    return found


def _refuse_lone(route: str, order: Sequence[str]) -> None:
    if len(order) == 1:
        raise EditError(
            f"route {route} has one backend, so there is nothing to shift: name the second one in its "
            "backend_refs first"
        )


def _completed(route: str, order: Sequence[str], given: Mapping[str, int]) -> dict[str, int]:
    """A weight for every reference: the other one of two takes the rest."""
    for name in given:
        if name not in order:
            raise EditError(f"route {route} has no backend `{name}`: {did_you_mean(name, order)}")
    if len(order) == 2 and len(given) == 1:
        rest = ALL_BP - sum(given.values())
        return {name: given.get(name, rest) for name in order}
    total = sum(given.values())
    if total != ALL_BP:
        more = "" if len(given) == len(order) else " (a backend that is not named gets 0)"
        raise EditError(
            f"the weights sum to {percent_text(total)}: route {route} has {', '.join(order)}, and all "
            f"of them sum to 100{more}"
        )
    return {name: given.get(name, 0) for name in order}


def _stage_for(stage: Stage, newcomer_bp: int) -> Stage:
    if newcomer_bp == ALL_BP:
        return "live"
    if newcomer_bp:
        return "canary"
    return "shadow" if stage == "shadow" else "legacy"


def _newcomer_bp(route: str, stage: Stage, given: int | None, now: int | None) -> int:
    if stage != "canary":
        return ALL_BP if stage == "live" else 0
    weight_bp = given if given is not None else now
    if weight_bp is None or not 0 < weight_bp < ALL_BP:
        raise EditError(
            f"a canary has more than 0 and less than 100 per cent: `facade stage {route} canary "
            "--weight 5`, for example"
        )
    return weight_bp


def _refuse_jump(before: RouteState, stage: Stage | None, consent: Consent) -> None:
    weights = list(before.weights.values())
    untouched = before.stage is None and len(weights) == 2 and weights[1] == 0
    from_legacy = before.stage == "legacy" or untouched
    if stage == "live" and from_legacy and not (consent.force and consent.reason):
        raise EditError(
            f"{state_text(before)} -> live skips shadow and canary: give both --force and --reason if that "
            "is meant"
        )


def _follow_from(stage: Stage | None, document: Document) -> bool:
    """Whether the weights are written nowhere, because the stage says them."""
    if stage is None or stage == "canary":
        return False
    return all(weight is None for weight in written_weights(document).values())


def _in_percent(weights: Mapping[str, int]) -> dict[str, int | float]:
    return {
        name: weight // 100 if weight % 100 == 0 else weight / 100
        for name, weight in weights.items()
    }
