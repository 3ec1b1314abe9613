"""Edits that are refused, each with a sentence, and edits that are never refused."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from proxy.control.changes import RouteState
from proxy.control.edits.operations import (
    Consent,
    change_stage,
    kill,
    read_stage,
    read_weight,
    read_weights,
    restore_state,
    shift,
)
from proxy.control.edits.parsed_table import ParsedTable
from proxy.errors import EditError, TableError
from tests.texts import FLOW, HEAD, REST, after, parsed, table

NO = Consent()
FORCED = Consent(force=True, reason="the old one burns")


SPLIT = "x-split: &split {legacy: 80, new: 20}\nx-one: &one 20\n"
SHIFTS: list[tuple[str, str, Mapping[str, int], str]] = [
    (table(FLOW.format(80, 20)), "rr", {"new": 1}, "there is no route `rr`: did you mean `r`?"),
    (
        table(FLOW.format(80, 20)),
        "r",
        {"nev": 1},
        "route r has no backend `nev`: did you mean `new`?",
    ),
    (table(FLOW.format(80, 20)), "rest", {"legacy": 1}, "route rest has one backend"),
    (
        table(FLOW.format(80, 20)),
        "r",
        {"new": 2000, "legacy": 2000},
        "the weights sum to 40: route r",
    ),
    (
        table("    backend_refs: {legacy: 80, new: 20, third: 0}\n"),
        "r",
        {"new": 5000},
        "the weights sum to 50: route r has legacy, new, third, and all of them sum to 100",
    ),
    (table(FLOW.format(80, 20), "retired"), "r", {"new": 1}, "route r is retired"),
    (table(FLOW.format(100, 0), "legacy"), "r", {"new": 10_000}, "legacy 0 % -> live skips"),
    (
        SPLIT + table("    backend_refs: *split\n"),
        "r",
        {"new": 1},
        "backend_refs is an alias (`*split`)",
    ),
    (
        SPLIT + table("    backend_refs: {legacy: 80, new: *one}\n"),
        "r",
        {"new": 1},
        "new is an alias (`*one`)",
    ),
    (
        table("    backend_refs: {legacy: 50, new: &w 50}\n").replace(
            REST,
            "  - {name: q, match: {hosts: [q.example]}, backend_refs: {legacy: 50, new: *w}}\n"
            + REST,
        ),
        "r",
        {"new": 1},
        "`&w` is shared with `*w` elsewhere",
    ),
    (
        "x-r: &r {name: r, backend_refs: {legacy: 80, new: 20}}\n" + HEAD + "  - *r\n",
        "r",
        {"new": 1},
        "the route is written with an alias",
    ),
    (
        "x-n: &n name\n"
        + table("    backend_refs: [{*n : legacy, weight: 80}, {name: new, weight: 20}]\n"),
        "r",
        {"new": 1},
        "a reference in backend_refs has no name",
    ),
    (
        HEAD + "  - {name: r, direct_response: {status: 404}}\n",
        "r",
        {"new": 1},
        "route r has no backend_refs",
    ),
    (
        table("    stage: >-\n      canary\n" + FLOW.format(80, 20)),
        "r",
        {"new": 0},
        "`stage` is not written on one line",
    ),
    (
        table(FLOW.format(80, 20), '"c\\x61nary"'),
        "r",
        {"new": 0},
        "`stage` is written with escapes",
    ),
]


@pytest.mark.parametrize(
    ("text", "name", "weights", "sentence"), SHIFTS, ids=[s[3] for s in SHIFTS]
)
def test_a_shift_is_refused(
    text: str, name: str, weights: Mapping[str, int], sentence: str
) -> None:
    with pytest.raises(EditError) as caught:
        shift(parsed(text), name, weights, NO)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "name", "stage", "share", "sentence"),
    [
        (
            table(FLOW.format(100, 0), "legacy"),
            "r",
            "live",
            None,
            "legacy 0 % -> live skips shadow",
        ),
        (table(FLOW.format(100, 0)), "r", "live", None, "legacy=100 new=0 -> live skips shadow"),
        (table(FLOW.format(100, 0), "legacy"), "r", "canary", None, "a canary has more than 0"),
        (table(FLOW.format(100, 0), "legacy"), "r", "canary", 10_000, "a canary has more than 0"),
        (table(FLOW.format(100, 0), "legacy"), "r", "live", 500, "--weight is for canary alone"),
        (table(FLOW.format(100, 0)), "rest", "live", None, "route rest has one backend"),
        (
            table("    backend_refs: {legacy: 80, new: 20, third: 0}\n"),
            "r",
            "shadow",
            None,
            "route r has 3 backends: a stage needs two",
        ),
        (
            table(
                FLOW.format(80, 20), "retired\n    retired: {sunset: 2026-01-01T00:00:00Z}"
            ).replace("2026-01-01T00:00:00Z", '"2026-01-01T00:00:00Z"'),
            "r",
            "canary",
            None,
            "the table would not load so, and nothing was written:\nroutes.yaml:6:",
        ),
    ],
)
def test_a_stage_is_refused(
    text: str, name: str, stage: Any, share: int | None, sentence: str
) -> None:
    with pytest.raises(EditError) as caught:
        change_stage(parsed(text), name, stage, share, NO)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("consent", [Consent(force=True), Consent(reason="because")])
def test_a_jump_with_half_of_the_consent_is_refused(consent: Consent) -> None:
    with pytest.raises(EditError, match="give both --force and --reason"):
        shift(parsed(table(FLOW.format(100, 0), "legacy")), "r", {"new": 10_000}, consent)


def test_a_jump_with_force_and_reason_is_made() -> None:
    edited = shift(parsed(table(FLOW.format(100, 0), "legacy")), "r", {"new": 10_000}, FORCED)
    assert after(edited) == table(FLOW.format(0, 100), "live")


@pytest.mark.parametrize(
    "text", ["new", "=5", "new=", "new=-1", "new=101", "new=5%", "new=1.005", "new=1e1"]
)
def test_other_text_is_no_weight(text: str) -> None:
    with pytest.raises(EditError, match="is no weight: write"):
        read_weights([text])


def test_stages_and_backends_are_checked() -> None:
    assert read_weights(["a=5", "b=94.5"]) == {"a": 500, "b": 9450}
    assert read_weight("0.07") == 7
    with pytest.raises(EditError, match="backend `a` is given twice"):
        read_weights(["a=5", "a=6"])
    with pytest.raises(EditError, match="there is no stage `canari`: did you mean `canary`"):
        read_stage("canari")


def test_an_edit_that_would_change_more_is_refused() -> None:
    text = table(FLOW.format(80, 20))
    meant = parsed(text.replace("c:1", "c:2")).table
    loaded = replace(parsed(text).loaded, table=meant)
    with pytest.raises(EditError, match="without changing something else, and nothing was"):
        shift(ParsedTable(text.encode(), "routes.yaml", loaded), "r", {"new": 1}, NO)


def test_the_kill_switch_needs_a_version_to_be_inserted_after() -> None:
    text = "x-v: &v version\n" + table(FLOW.format(80, 20)).replace("version: 1", "*v : 1")
    with pytest.raises(EditError, match="`version` is missing where `kill_switch` has to go"):
        kill(parsed(text))


def test_a_table_that_does_not_load_is_refused() -> None:
    with pytest.raises(TableError):
        parsed("version: 1\n")


# --- back -----------------------------------------------------------------------------------


def test_a_rollback_may_skip_stages() -> None:
    legacy, live = (
        table(FLOW.format(*w), s) for w, s in [((100, 0), "legacy"), ((0, 100), "live")]
    )
    state = RouteState("live", {"legacy": 0, "new": 100})
    assert after(restore_state(parsed(legacy), "r", state)) == live


def test_a_rollback_to_and_from_retired_keeps_the_weights_in_the_file() -> None:
    retired, live = (table(FLOW.format(0, 100), stage) for stage in ("retired", "live"))
    assert after(restore_state(parsed(live), "r", RouteState("retired", {}))) == retired
    state = RouteState("live", {"legacy": 0, "new": 100})
    assert after(restore_state(parsed(retired), "r", state)) == live


def test_a_rollback_to_other_backends_is_refused() -> None:
    for weights in ({"legacy": 80.0, "third": 20.0}, {"new": 100.0}, {"new": 80.0, "legacy": 20.0}):
        with pytest.raises(EditError, match=r"route r had other backends then \("):
            restore_state(parsed(table(FLOW.format(80, 20))), "r", RouteState(None, {**weights}))


@pytest.mark.parametrize(
    "text",
    [
        table(FLOW.format(80, 20), "canary # careful"),
        table(FLOW.format(80, 20)).replace("- name: r\n", "- stage: canary\n    name: r\n"),
    ],
    ids=["a comment behind it", "the first key of the route"],
)
def test_a_stage_that_cannot_be_removed_in_place_is_refused(text: str) -> None:
    with pytest.raises(EditError, match="take it out by hand"):
        restore_state(parsed(text), "r", RouteState(None, {"legacy": 80, "new": 20}))


TESTED = """
tests:
  - name: outside the bucket it stays
    given: {stage: canary, weights: {legacy: 95, new: 5}}
    input: {path: /r, bucket: 5}
    expect: {route: r, backend: legacy}
  - name: live
    given: {stage: live}
    input: {path: /r}
    expect: {route: r, backend: new}
  - name: wherever it stands
    input: {path: /r/1}
    expect: {route: r, upstream_path: /r/1}
"""


@pytest.mark.parametrize("share", [0, 1, 5000, 9999, 10_000])
def test_no_shift_and_no_kill_switch_is_refused_by_a_test_in_the_table(share: int) -> None:
    now = parsed(table(FLOW.format(95, 5), "canary") + TESTED)
    edited = shift(now, "r", {"new": share}, NO)
    assert edited is not None
    assert kill(parsed(edited.text)) is not None
