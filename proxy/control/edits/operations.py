"""The edits of a table's text: shift, stage, rollback, kill switch, resume. Pure.

`splices` edits the text. The table itself (`editable`) checks the new text as the facade would, and refuses it unless
it changes exactly what it is meant to change.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from proxy.config.faults import did_you_mean
from proxy.control.changes import (
    Changes,
    RouteChange,
    RouteState,
    state_of,
    state_text,
)
from proxy.control.edits.editable import EditableTable, EditedTable
from proxy.control.edits.splices import (
    percent_text,
    set_kill_switch,
    set_percent,
    set_stage,
    set_weights,
    written_weights,
)
from proxy.control.edits.yaml_nodes import Document
from proxy.errors import EditError
from proxy.model import ALL_BP, Route
from proxy.model.stage import STAGES, Stage

_WEIGHT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,2})?")


class Consent(Struct, frozen=True):
    """The operator's consent to skip stages. Both fields are needed."""

    force: bool = False
    reason: str = ""


# --- the edits; None if the table does not have to change -----------------------------------


def shift(
    table: EditableTable, name: str, given: Mapping[str, int], consent: Consent
) -> EditedTable | None:
    """Set weights, and the stage that follows from them. `given` is in hundredths of a per cent.

    Raises EditError, as the other edits do.
    """
    route = table.route(name)
    document = table.document(name)
    if route.stage == "retired":
        raise EditError(
            f"route {name} is retired and answers by itself: bring it back with "
            f"`facade stage {name} canary --weight N`"
        )
    order = list(written_weights(document))
    _refuse_single_backend(name, order)
    weights = _complete_weights(name, order, given)
    stage = None if route.stage is None else _stage_for(route.stage, weights[order[-1]])
    return _with_state(table, document, route, stage, weights, consent)


def change_stage(
    table: EditableTable, name: str, stage: Stage, weight_bp: int | None, consent: Consent
) -> EditedTable | None:
    """Set the stage, and the weights that it needs."""
    route = table.route(name)
    document = table.document(name)
    if weight_bp is not None and stage != "canary":
        raise EditError(f"--weight is for canary alone: stage {stage} has its own weights")
    if stage == "retired":
        return _with_state(table, document, route, stage, {}, consent)
    written = written_weights(document)
    if len(written) == 1 and stage == "legacy":
        return _with_state(table, document, route, stage, dict.fromkeys(written, ALL_BP), consent)
    _refuse_single_backend(name, list(written))
    if len(written) != 2:
        raise EditError(
            f"route {name} has {len(written)} backends: a stage needs two, the incumbent and the newcomer"
        )
    current = {ref.backend: ref.weight_bp for ref in route.backend_refs} or written
    incumbent, newcomer = written
    share_bp = _newcomer_weight(name, stage, weight_bp, current[newcomer])
    weights = {incumbent: ALL_BP - share_bp, newcomer: share_bp}
    return _with_state(table, document, route, stage, weights, consent)


def set_mirror(table: EditableTable, name: str, percent_bp: int) -> EditedTable | None:
    """Set the percentage of copies. The table has to be whole: one route of it does not show its mirror."""
    mirror = table.route(name).mirror
    if mirror is None:
        raise EditError(f"route {name} has no `mirror`: write `mirror: {{percent: 0}}` first")
    if mirror.percent_bp == percent_bp:
        return None
    document = table.document(name)
    return table.edited(document, set_percent(document, percent_bp), Changes(changed=(name,)))


def restore_state(table: EditableTable, name: str, state: RouteState) -> EditedTable | None:
    """Restore an earlier state of a route. Stages may be skipped."""
    route = table.route(name)
    document = table.document(name)
    weights = {backend: round(weight * 100) for backend, weight in state.weights.items()}
    if weights and list(written_weights(document)) != list(weights):
        raise EditError(
            f"route {name} had other backends then ({', '.join(weights)}): `facade history` shows the "
            "versions, `facade revert VERSION` brings one back"
        )
    return _with_state(table, document, route, state.stage, weights, Consent(True, "rollback"))


def kill(table: EditableTable) -> EditedTable | None:
    """Set the kill switch."""
    if table.kill_switch:
        return None
    return _with_kill_switch(table, True)


def resume(table: EditableTable) -> EditedTable | None:
    """Reset the kill switch."""
    return _with_kill_switch(table, False) if table.kill_switch else None


def _with_kill_switch(table: EditableTable, on: bool) -> EditedTable:
    document = table.document(None)
    return table.edited(document, set_kill_switch(document, on), Changes(kill_switch=on))


def _with_state(
    table: EditableTable,
    document: Document,
    route: Route,
    stage: Stage | None,
    weights: Mapping[str, int],
    consent: Consent,
) -> EditedTable | None:
    """Set stage and weights of a route. `weights` is empty for a retired route: the weights in the text stay then."""
    before = state_of(route)
    _refuse_jump(before, stage, consent)
    splices = set_stage(document, stage)
    if len(weights) > 1 and not _are_implied(stage, document):
        splices += set_weights(document, weights)
    after = RouteState(stage, _in_percent(weights))
    if before == after:
        return None
    change = RouteChange(route.name, before, after)
    return table.edited(document, splices, Changes(routes=(change,)))


# --- the rules ------------------------------------------------------------------------------


def read_stage(word: str) -> Stage:
    """Raises EditError for a word that is not a stage."""
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
    weights: dict[str, int] = {}
    for text in texts:
        name, equals, weight = text.rpartition("=")
        if not (equals and name):
            raise EditError(f"`{text}` is no weight: write BACKEND=WEIGHT, like flightspecials=20")
        if name in weights:
            raise EditError(f"backend `{name}` is given twice: write one weight for it")
        weights[name] = read_weight(weight)
    return weights


def _refuse_single_backend(route: str, order: Sequence[str]) -> None:
    if len(order) == 1:
        raise EditError(
            f"route {route} has one backend, so there is nothing to shift: name the second one in its "
            "backend_refs first"
        )


def _complete_weights(route: str, order: Sequence[str], given: Mapping[str, int]) -> dict[str, int]:
    """A weight for every reference. Of two references, the other one gets the rest."""
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


def _newcomer_weight(route: str, stage: Stage, given: int | None, current: int | None) -> int:
    if stage != "canary":
        return ALL_BP if stage == "live" else 0
    weight_bp = given if given is not None else current
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


def _are_implied(stage: Stage | None, document: Document) -> bool:
    """Whether the stage implies the weights and the text has none."""
    if stage is None or stage == "canary":
        return False
    return all(weight is None for weight in written_weights(document).values())


def _in_percent(weights: Mapping[str, int]) -> dict[str, int | float]:
    return {
        name: weight // 100 if weight % 100 == 0 else weight / 100
        for name, weight in weights.items()
    }
