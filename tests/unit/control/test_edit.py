"""Edits of a table's text change what they are meant to change, and no other byte."""

import re

import pytest

from proxy.control.changes import RouteState
from proxy.control.edits.operations import (
    Consent,
    change_stage,
    kill,
    read_stage,
    restore_state,
    resume,
    shift,
)
from proxy.control.edits.splices import set_weights, spliced, written_weights
from proxy.control.edits.yaml_nodes import read_document
from tests.texts import BLOCK, FLOW, after, parsed, table

NO = Consent()

SHAPES = {
    "flow mapping": FLOW,
    "block mapping": BLOCK,
    "quoted names": "    backend_refs: {{\"legacy\": {}, 'new' : {}}}\n",
    "over several lines": "    backend_refs: {{legacy: {}, # a\n      new: {} }} # b\n",
    "list of flow mappings": "    backend_refs: [{{name: legacy, weight: {}}}, {{weight: {}, name: new}}]\n",
    "list of block mappings": (
        "    backend_refs:\n    - name: legacy\n      weight: {}\n    # the new one\n"
        "    -   weight: {}   # so far\n        name: new\n        url_rewrite: {{hostname: new.internal}}\n"
    ),
    "mixed list": (
        "    backend_refs:\n      - {{name: legacy, weight: {}}}\n      - name: 'new'\n        weight: {}\n"
    ),
    "an unused anchor": "    backend_refs: &split {{legacy: &old {}, new: {}}}\n",
}


@pytest.mark.parametrize("refs", SHAPES.values(), ids=SHAPES)
def test_a_shift_changes_the_weights_and_nothing_else(refs: str) -> None:
    edited = shift(parsed(table(refs.format(80, 20))), "r", {"new": 4000}, NO)
    assert after(edited) == table(refs.format(60, 40))


@pytest.mark.parametrize("refs", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    ("stage", "weights", "percent", "then", "expected"),
    [
        ("legacy", (100, 0), 500, "canary", (95, 5)),
        ("shadow", (100, 0), 50, "canary", ("99.5", "0.5")),
        ("canary", (95, 5), 2025, "canary", ("79.75", "20.25")),
        ("canary", (95, 5), 0, "legacy", (100, 0)),
        ("canary", (95, 5), 10_000, "live", (0, 100)),
        ("shadow", (100, 0), 10_000, "live", (0, 100)),
        ("live", (0, 100), 9900, "canary", (1, 99)),
        ("live", (0, 100), 0, "legacy", (100, 0)),
    ],
)
def test_a_shift_takes_the_stage_with_it(
    refs: str,
    stage: str,
    weights: tuple[object, object],
    percent: int,
    then: str,
    expected: tuple[object, object],
) -> None:
    edited = shift(parsed(table(refs.format(*weights), stage)), "r", {"new": percent}, NO)
    assert after(edited) == table(refs.format(*expected), then)


@pytest.mark.parametrize(
    ("stage", "weights", "target", "share", "expected"),
    [
        ("legacy", (100, 0), "shadow", None, (100, 0)),
        ("legacy", (100, 0), "canary", 500, (95, 5)),
        ("canary", (70, 30), "canary", 4000, (60, 40)),
        ("canary", (70, 30), "shadow", None, (100, 0)),
        ("canary", (70, 30), "legacy", None, (100, 0)),
        ("canary", (70, 30), "live", None, (0, 100)),
        ("canary", (70, 30), "retired", None, (70, 30)),
        ("live", (0, 100), "retired", None, (0, 100)),
        ("retired", (70, 30), "canary", None, (70, 30)),
        ("retired", (70, 30), "live", None, (0, 100)),
        ("retired", (70, 30), "legacy", None, (100, 0)),
    ],
)
@pytest.mark.parametrize("refs", [FLOW, SHAPES["list of block mappings"]])
def test_a_stage_takes_the_weights_with_it(
    refs: str,
    stage: str,
    weights: tuple[int, int],
    target: str,
    share: int | None,
    expected: tuple[int, int],
) -> None:
    before = parsed(table(refs.format(*weights), stage))
    edited = change_stage(before, "r", read_stage(target), share, NO)
    assert after(edited) == table(refs.format(*expected), target)


def test_a_first_stage_is_inserted_after_the_name_and_a_rollback_removes_it() -> None:
    refs = FLOW.format(95, 5)
    before = parsed(table(refs))
    edited = change_stage(before, "r", "canary", None, NO)
    assert after(edited) == table(refs, "canary")
    state = RouteState(None, {"legacy": 95, "new": 5})
    assert after(restore_state(parsed(after(edited)), "r", state)) == table(refs)


@pytest.mark.parametrize(
    ("without", "with_stage"),
    [
        (
            '{"version": 1, "backends": {"a": "http://a:1", "b": "http://b:1"}, "routes": '
            '[{"name": "r", "backend_refs": {"a": 80, "b": 20}}]}',
            '"name": "r", "stage": "canary", "backend_refs"',
        ),
        (
            "version: 1\r\nbackends: {a: http://a:1, b: http://b:1}\r\nroutes:\r\n"
            "- name: r # it\r\n  backend_refs: {a: 80, b: 20}",
            "- name: r # it\r\n  stage: canary\r\n  backend_refs: {a: 80",
        ),
        (
            "version: 1\nbackends: {a: http://a:1, b: http://b:1}\nroutes:\n"
            "- backend_refs: {a: 80, b: 20}\n  name: r",
            "\n  name: r\n  stage: canary",
        ),
    ],
    ids=["JSON", "CRLF and no last newline", "name at the end of the file"],
)
def test_a_stage_is_inserted_and_removed_in_the_style_of_the_file(
    without: str, with_stage: str
) -> None:
    staged = after(change_stage(parsed(without), "r", "canary", None, NO))
    assert with_stage in staged
    state = RouteState(None, {"a": 80, "b": 20})
    assert after(restore_state(parsed(staged), "r", state)) == without


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        ("[legacy, new]", "[{name: legacy, weight: 80}, {name: new, weight: 20}]"),
        ("[\"legacy\", 'new']", '[{"name": "legacy", "weight": 80}, {name: \'new\', weight: 20}]'),
        (
            "\n    - legacy # old\n    - new",
            "\n    - {name: legacy, weight: 80} # old\n    - {name: new, weight: 20}",
        ),
        (
            "\n    - name: legacy # old\n    - {name: new}",
            "\n    - name: legacy # old\n      weight: 80\n    - {name: new, weight: 20}",
        ),
    ],
)
def test_a_list_of_names_is_given_weights(refs: str, expected: str) -> None:
    text = f"routes:\n  - name: r\n    backend_refs: {refs}\n"
    document = read_document(text.encode(), "r")
    edited = spliced(text.encode(), document, set_weights(document, {"legacy": 8000, "new": 2000}))
    assert edited.decode() == f"routes:\n  - name: r\n    backend_refs: {expected}\n"


def test_a_route_with_one_backend_is_retired_and_comes_back() -> None:
    live, retired = (table("    backend_refs: legacy\n", stage) for stage in ("legacy", "retired"))
    assert after(change_stage(parsed(live), "r", "retired", None, NO)) == retired
    assert after(change_stage(parsed(retired), "r", "legacy", None, NO)) == live
    state = RouteState("legacy", {"legacy": 100})
    assert after(restore_state(parsed(retired), "r", state)) == live


@pytest.mark.parametrize("refs", ["legacy", "[legacy]", "{legacy: 100}", "{name: legacy}"])
def test_a_single_backend_is_read_in_every_notation(refs: str) -> None:
    text = f"routes: [{{name: r, backend_refs: {refs}}}]\n".encode()
    assert list(written_weights(read_document(text, "r"))) == ["legacy"]


def test_a_backend_with_the_name_of_the_route_is_not_confused_with_it() -> None:
    text = (
        "version: 1\nbackends: {legacy: http://a:1, r: http://b:1}\nroutes:\n"
        "  - {name: first, match: {hosts: [r]}, backend_refs: {legacy: 80, r: 20}}\n"
        "  - {name: r, backend_refs: {legacy: 70, r: 30}}\n"
    )
    expected = text.replace("legacy: 70, r: 30", "legacy: 60, r: 40")
    assert after(shift(parsed(text), "r", {"r": 4000}, NO)) == expected


def test_three_backends_are_shifted_together() -> None:
    refs = "    backend_refs: {{legacy: {}, new: {}, third: {}}}\n"
    before = parsed(table(refs.format(80, 20, 0)))
    given_all = {"legacy": 5000, "new": 3000, "third": 2000}
    assert after(shift(before, "r", given_all, NO)) == table(refs.format(50, 30, 20))
    assert after(shift(before, "r", {"third": 10_000}, NO)) == table(refs.format(0, 0, 100))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kill_switch: false # red\n", "kill_switch: true # red\n"),
        ("version: 1", "version: 1\nkill_switch: true"),
        ("version:   1   # first\n", "version:   1   # first\nkill_switch: true\n"),
    ],
)
def test_the_kill_switch_is_set_or_inserted_after_the_version(text: str, expected: str) -> None:
    body = "backends: {a: http://a:1}\nroutes: [{name: r, backend_refs: a}]\n"
    version = "" if "version" in text else "version: 1\n"
    whole = body + version + text
    assert after(kill(parsed(whole))) == body + version + expected
    assert kill(parsed(body + version + expected)) is None


def test_resuming_changes_one_word() -> None:
    body = "backends: {a: http://a:1}\nroutes: [{name: r, backend_refs: a}]\n"
    text = f"version: 1\nkill_switch: true # since noon\n{body}"
    assert after(resume(parsed(text))) == text.replace("true", "false")
    assert resume(parsed(text.replace("true", "false"))) is None
    assert resume(parsed(f"version: 1\n{body}")) is None


def test_the_kill_switch_is_inserted_into_a_table_in_json() -> None:
    text = '{"version": 1, "backends": {"a": "http://a:1"}, "routes": [{"name": "r", "backend_refs": "a"}]}'
    assert after(kill(parsed(text))).startswith('{"version": 1, "kill_switch": true, "backends"')


@pytest.mark.parametrize("quote", ["'", '"', ""])
def test_quotation_marks_of_a_stage_stay(quote: str) -> None:
    text = table(FLOW.format(80, 20), f"{quote}canary{quote} # so far")
    expected = table(FLOW.format(0, 100), f"{quote}live{quote} # so far")
    assert after(shift(parsed(text), "r", {"new": 10_000}, NO)) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + table(FLOW.format(80, 20), "canary").encode(),
        table(BLOCK.format(80, 20), "canary").replace("\n", "\r\n").encode(),
        table(FLOW.format(80, 20), "canary").encode().removesuffix(b"\n"),
        ("# 큰 줄 \u2028# \U0001f600\n" + table(FLOW.format(80, 20), "canary")).encode(),
    ],
    ids=["byte order mark", "CRLF", "no last newline", "characters of many bytes"],
)
def test_bytes_around_the_weights_stay(text: bytes) -> None:
    edited = shift(parsed(text), "r", {"new": 3000}, NO)
    assert edited is not None
    assert re.sub(rb"\b70\b", b"80", re.sub(rb"\b30\b", b"20", edited.text)) == text


def test_there_is_no_edit_if_nothing_has_to_change() -> None:
    now = parsed(table(FLOW.format("80.0", 20), "canary"))
    assert shift(now, "r", {"new": 2000}, NO) is None
    assert change_stage(now, "r", "canary", None, NO) is None
    assert restore_state(now, "r", RouteState("canary", {"legacy": 80, "new": 20})) is None
    # A shadow that is shifted to nothing stays a shadow.
    assert shift(parsed(table(FLOW.format(100, 0), "shadow")), "r", {"new": 0}, NO) is None
