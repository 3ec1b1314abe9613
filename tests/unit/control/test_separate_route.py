"""An edit of one route by itself gives what an edit of the whole table gives (ADR 26)."""

# ruff: noqa: E501 -- a row of a table stays on one line

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.config.reader import MAX_BLOCK, MAX_BYTES, MAX_NODES
from proxy.config.separate import NotCertain
from proxy.control.changes import RouteState
from proxy.control.edits.editable import EditableTable, EditedTable
from proxy.control.edits.operations import Consent, change_stage, restore_state, shift
from proxy.control.edits.parsed_table import ParsedTable
from proxy.control.edits.separate_route import SeparateRoute, separate_route
from proxy.errors import EditError, TableError
from proxy.model.stage import STAGES
from tests.texts import BLOCK, FLOW, HEAD, parsed, table

SURE = Consent(True, "sure")
NO = Consent()


def separate(text: str, name: str = "r") -> SeparateRoute | None:
    """The route of a text that loads; None if the edit needs the whole text."""
    whole = parsed(text)
    return (
        None
        if whole.nodes is None
        else separate_route(whole.text, "routes.yaml", name, whole.nodes)
    )


def certain(text: str, name: str = "r") -> SeparateRoute:
    route = separate(text, name)
    assert route is not None
    return route


SHAPES = {
    "a flow mapping": table(FLOW.format(80, 20), "canary"),
    "a block mapping": table(BLOCK.format(80, 20)),
    "a list": table("    backend_refs: [{name: legacy, weight: 80}, {name: new, weight: 20, url_rewrite: {hostname: h}}]\n", "canary"),
    "names": table("    backend_refs: [legacy, new]\n", "shadow"),
    "one line": f"{HEAD}  - {{name: r, match: {{path: {{prefix: /r}}}}, backend_refs: {{legacy: 99.5, new: 0.5}}}}\n  - {{name: x, backend_refs: new}}\n",
    "quotes": f"{HEAD}  - \"name\": 'r'\n    \"stage\": 'canary'\n    \"backend_refs\": {{\"legacy\": 80, \"new\": 20}}\n",
    "a retired route": table(FLOW.format(0, 100), "retired"),
    "one backend": f"{HEAD}  - name: r\n    stage: legacy\n    backend_refs: legacy\n",
    "three backends": table("    backend_refs: {legacy: 50, new: 25, third: 25}\n"),
    "no backend": f"{HEAD}  - name: r\n    direct_response: {{status: 200}}\n",
    "a mirror": table(FLOW.format(80, 20) + "    mirror: {percent: 5}\n", "canary"),
    "a comment": table(FLOW.format(80, 20) + "  # of the next route\n", "canary"),
    "Windows line ends": table(FLOW.format(80, 20), "canary").replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + table(FLOW.format(80, 20), "canary"),
    "a kill switch": "kill_switch: true\n" + table(FLOW.format(80, 20), "canary"),
    "a test of another route": table(FLOW.format(80, 20), "canary") + "tests: [{name: t, input: {path: /x}, expect: {route: rest, backend: legacy}}]\n",
    "names that begin alike": table(FLOW.format(80, 20)).replace("name: rest", "name: r.x") + "  - {name: r-x, match: {path: {prefix: /x}}, backend_refs: new}\n",
    "a name elsewhere": table(FLOW.format(80, 20)).replace("routes:\n", "routes:\n  - {name: q, match: {headers: {name: r}, path: {prefix: /q}}, backend_refs: new}\n"),
}  # fmt: skip


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES.keys())
def test_a_route_is_edited_alone_in(text: str) -> None:
    route, whole = certain(text), parsed(text)
    assert route.kill_switch == whole.kill_switch
    for what, share in (("shift", 3000), ("retired", 0), ("live", 0), ("rollback", 100)):
        expected = outcome(whole, what, share)
        try:
            assert outcome(route, what, share) == expected
        except NotCertain:
            # The whole table refuses it, with the text of the rule.
            assert "would not load" in str(expected)


def outcome(editable: EditableTable, what: str, share: int) -> EditedTable | str | None:
    try:
        if what == "shift":
            return shift(editable, "r", {"new": share}, NO)
        if what == "rollback":
            state = RouteState("canary", {"legacy": 100 - share // 100, "new": share // 100})
            return restore_state(editable, "r", state)
        stage = next(stage for stage in STAGES if stage == what)
        return change_stage(editable, "r", stage, share or None, SURE)
    except EditError as error:
        return str(error)


WHOLE = {
    "an alias": table(FLOW.format(80, 20)).replace("refs: legacy\n", "refs: *b\n").replace("backends: {", "x-b: &b legacy\nbackends: {"),
    "a flow list": f"{HEAD[:-1]} [{{name: r, backend_refs: {{legacy: 80, new: 20}}}}]\n",
    "a test of the route": table(FLOW.format(80, 20)) + "tests: [{name: t, input: {path: /r}, expect: {route: r}}]\n",
    "a test of any route": table(FLOW.format(80, 20)) + "tests: [{name: t, input: {path: /r}, expect: {upstream_path: /r}, given: {weights: {legacy: 100}}}]\n",
    "no line end": f"{HEAD}  - {{name: r, backend_refs: {{legacy: 80, new: 20}}}}",
    "a name with escapes": table(FLOW.format(80, 20)).replace("name: r\n", 'name: "\\x72"\n'),
}  # fmt: skip


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE.keys())
def test_the_whole_text_is_needed_for(text: str) -> None:
    assert separate(text) is None


def test_a_route_that_is_missing_needs_the_whole_text_for_its_hint() -> None:
    assert separate(SHAPES["a flow mapping"], "nobody") is None


def test_a_list_in_flow_style_needs_the_whole_text() -> None:
    assert separate_route(WHOLE["a flow list"].encode(), "routes.yaml", "r", 33) is None


def test_references_that_are_no_list_need_the_whole_text() -> None:
    lines = "  - {name: r, backend_refs: {name: legacy, weight: 100}}\n"
    assert separate_route((HEAD + lines).encode(), "routes.yaml", "r", 33) is None


def test_a_route_knows_nothing_of_others() -> None:
    route = certain(SHAPES["a flow mapping"])
    with pytest.raises(NotCertain):
        route.route("rest")
    with pytest.raises(NotCertain):
        route.document(None)


@pytest.mark.parametrize(
    "lines",
    [
        "  - {name: r, stage: early, backend_refs: {legacy: 80, new: 20}}\n",
        "  - {name: r, backend_refs: {legacy: 80, new: yes}}\n",
        "  - {name: r, backend_refs: {legacy: 80, new: true}}\n",
        "  - {name: r, backend_refs: {legacy: 80, new: 20.001}}\n",
        "  - {name: r, backend_refs: {legacy: 80, new: 120}}\n",
        "  - {name: r, backend_refs: [legacy, new]}\n",
        "  - {name: r, backend_refs: [1]}\n",
        "  - {name: r, backend_refs: [{weight: 100}]}\n",
        "  - {name: r, backend_refs: &a legacy}\n",
        "  - {name: r, backend_refs: {\n",
        "  - {x: {name: r}}\n",
        "  - 'name: r'\n",
    ],
)  # fmt: skip
def test_lines_that_are_no_valid_route_need_the_whole_text(lines: str) -> None:
    assert separate_route((HEAD + lines).encode(), "routes.yaml", "r", 100) is None


def test_an_edit_is_not_certain_beyond_any_bound() -> None:
    route = certain(SHAPES["a flow mapping"])
    assert isinstance(outcome(route, "shift", 3000), EditedTable)
    beyond = [
        replace(route, nodes=MAX_NODES + 1),
        replace(route, text=route.text + b"#" * MAX_BYTES),
        certain(
            table(FLOW.format(80, 20)).replace("match:", f"timeouts: {{}} # {'x' * 9}\n    match:")
        ),
    ]
    for each in beyond[:2]:
        with pytest.raises(NotCertain):
            outcome(each, "shift", 3000)
    names = ",".join(f"h{number}" for number in range(MAX_BLOCK))
    lines = f"  - {{name: r, match: {{hosts: [{names}]}}, backend_refs: {{legacy: 80, new: 20}}}}\n"
    large = separate_route((HEAD + lines).encode(), "routes.yaml", "r", 100_000)
    assert large is not None
    with pytest.raises(NotCertain):
        outcome(large, "shift", 3000)


def test_an_edit_of_anything_else_is_not_certain() -> None:
    route = certain(SHAPES["a flow mapping"])
    meant = shift(parsed(SHAPES["a flow mapping"]), "r", {"new": 3000}, NO)
    assert meant is not None
    document = route.document("r")
    at = document.text.index("/r}")
    splice = type(_splices(route)[0])
    for splices in (
        [splice(at, at + 2, "/s")],
        [*_splices(route), splice(at, at + 2, "/s")],
        [*_splices(route), splice(len(document.text), len(document.text), "x: y\n")],
        [],
    ):
        with pytest.raises((NotCertain, TableError)):
            route.edited(document, splices, meant.changes)


def _splices(route: SeparateRoute) -> list:  # type: ignore[type-arg]
    from proxy.control.edits.splices import set_weights

    return list(set_weights(route.document("r"), {"legacy": 7000, "new": 3000}))


def test_an_edit_that_breaks_a_rule_is_not_certain() -> None:
    """The whole table refuses it then, with the text of the rule."""
    text = f'{HEAD}  - {{name: r, stage: retired, retired: {{sunset: "2026-01-01"}}, backend_refs: {{legacy: 80, new: 20}}}}\n'
    with pytest.raises(NotCertain):
        change_stage(certain(text), "r", "live", None, SURE)
    with pytest.raises(EditError, match="`retired` on a route that is not"):
        change_stage(parsed(text), "r", "live", None, SURE)


# --- random routes, random edits --------------------------------------------------------------

REFS = [
    "{{legacy: {0}, new: {1}}}", "{{ legacy: {0} , 'new': {1} }}", "[{{name: legacy, weight: {0}}}, {{weight: {1}, name: new}}]",
    "[legacy, new]", "[{{name: legacy}}, new]", "legacy", "{{legacy: {0}, new: {1}, third: 0}}",
]  # fmt: skip
MORE = [
    "",
    "timeouts: {request: 3s}",
    "mirror: {percent: 1}",
    "cohort: everyone",
    "request: {headers: {set: {x-a: b}}}",
]
STYLES = ["flow", "block", "block with comments"]


def random_table(draw: random.Random) -> str:
    """A table that loads, most of the time."""
    newcomer = draw.choice([0, 1, 50, 99.5, 100])
    rest = 100 - newcomer
    keys = [
        "name: r",
        "match: {path: {prefix: /r}}",
        f"backend_refs: {draw.choice(REFS).format(f'{rest:g}', f'{newcomer:g}')}",
    ]
    if draw.random() < 0.7:
        keys.insert(draw.randint(0, 3), f"stage: {draw.choice(STAGES)}")
    if more := draw.choice(MORE):
        keys.append(more)
    style = draw.choice(STYLES)
    if style == "flow":
        route = f"  - {{{', '.join(keys)}}}\n"
    else:
        note = " # why\n    # more" if "comments" in style else ""
        route = f"  - {keys[0]}\n" + "".join(f"    {key}{note}\n" for key in keys[1:])
    others = [
        f"  - {{name: o{number}, match: {{path: {{prefix: /o{number}}}}}, backend_refs: new}}\n"
        for number in range(2)
    ]
    head = HEAD.replace(
        "routes:", "cohorts: {everyone: {salt: s, hash_policy: [{cookie: id}]}}\nroutes:"
    )
    return (
        head + "".join(draw.sample([route, *others], 3)) + draw.choice(["", "# end\n", "x-y: 1\n"])
    )


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_random_edits_of_a_route(draw: random.Random) -> None:
    text = random_table(draw)
    try:
        whole: ParsedTable = parsed(text)
    except TableError:
        return
    route = certain(text)
    for _ in range(3):
        what = draw.choice(["shift", "rollback", *STAGES])
        share = draw.choice([0, 1, 2500, 9950, 10_000])
        expected = outcome(whole, what, share)
        try:
            actual = outcome(route, what, share)
        except NotCertain:
            continue
        assert actual == expected, text
        if isinstance(actual, EditedTable):
            text = re.sub("^", "", actual.text.decode())
            whole, route = parsed(text), certain(text)
