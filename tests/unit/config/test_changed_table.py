"""A load that uses the table before gives what a load of the whole text gives (ADR 26)."""

# ruff: noqa: E501 -- a row of a table stays on one line

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.config.changed_table import parse_changed
from proxy.config.known_routes import KnownRoutes
from proxy.config.load import Loaded, load
from proxy.config.loader import Parsed, parse
from proxy.config.problems import MAX_PROBLEMS
from proxy.config.reader import MAX_NODES
from proxy.errors import Problem, TableError
from proxy.model import RouteTable

EXAMPLE = (Path(__file__).parents[1] / "data" / "every-part.yaml").read_text()
HEAD = """\
version: 1
backends: {old: http://a:1, new: http://b:1}
cohorts: {everyone: {salt: s, hash_policy: [{cookie: id}]}}
"""
ROUTES = """\
routes:
  - {name: a, match: {path: {prefix: /a}}, backend_refs: {old: 80, new: 20}}
  # the second
  - name: b
    match: {path: {prefix: /b}, methods: [FETCH]}
    backend_refs: old

  - {name: c, backend_refs: new}
"""
TESTS = "tests:\n  - {name: t, input: {path: /a/x}, expect: {route: a}}\n"
TABLE = HEAD + ROUTES + TESTS

Outcome = tuple[RouteTable, tuple[Problem, ...], float, tuple[str, ...]] | tuple[Problem, ...]


def outcome(text: str, before: Loaded | None = None) -> tuple[Outcome, Loaded | None]:
    """Everything that a load gives, and the load itself if the table is valid."""
    try:
        loaded = load(text.encode("utf-8", "surrogatepass"), "t", before)
    except TableError as error:
        return error.problems, None
    report = loaded.report
    return (loaded.table, loaded.warnings, report.coverage, report.uncovered), loaded


def known_of(text: str) -> KnownRoutes | None:
    return parse(text.encode(), "t").known


def changed(before: str, after: str) -> Parsed | None:
    """The table in `after`, if it needs no parse of the whole text."""
    known = known_of(before)
    return None if known is None else parse_changed(after.encode(), "t", known)


# --- edits that keep most routes --------------------------------------------------------------

QUICK = {
    "another weight": (TABLE, TABLE.replace("80, new: 20", "70, new: 30")),
    "a comment above": (TABLE, TABLE.replace("version", "# x\nversion")),
    "a route between": (
        TABLE,
        TABLE.replace(
            "  # the",
            "  - {name: more, match: {path: {prefix: /more}}, backend_refs: old}\n  # the",
        ),
    ),
    "a route fewer": (TABLE, re.sub("  - name: b.*\n.*\n.*\n", "", TABLE)),
    "another order": (TABLE, TABLE.replace("name: a,", "name: z,").replace("route: a", "route: z")),
    "the last route": (TABLE, TABLE.replace("backend_refs: new}", "backend_refs: old}")),
    "no more tests": (TABLE, HEAD + ROUTES),
    "a test of another route": (
        TABLE,
        TABLE + "  - {name: u, input: {path: /b}, expect: {route: b}}\n",
    ),
    "a backend more": (TABLE, TABLE.replace("old:", "more: http://c:1, old:", 1)),
    "a cohort more": (
        TABLE,
        TABLE.replace("{everyone", "{few: {salt: f, hash_policy: [{header: h}]}, everyone"),
    ),
    "a default": (
        TABLE.replace(
            "name: b\n", "name: b\n    timeouts: {connect: 1s}\n    limits: {max_headers: 9}\n"
        ),
        TABLE.replace(
            "name: b\n", "name: b\n    timeouts: {connect: 1s}\n    limits: {max_headers: 9}\n"
        ).replace(
            "version: 1",
            "version: 1\ndefaults: {timeouts: {request: 90m, connect: 3s}, limits: {max_headers: 50, max_uri_bytes: 4KiB}}",
        ),
    ),
    "a line above files of errors": (
        TABLE.replace(
            "name: b\n", "name: b\n    errors: {404: {file: n.html}, 5xx: {file: b.html}}\n"
        ),
        "# x\n"
        + TABLE.replace(
            "name: b\n", "name: b\n    errors: {404: {file: n.html}, 5xx: {file: b.html}}\n"
        ),
    ),
    "a line above several matches": (
        TABLE.replace(
            "match: {path: {prefix: /b}, methods: [FETCH]}",
            "match:\n    - path: {prefix: /b}\n    - {path: {exact: /y}, not: {methods: [PUT]}}",
        ),
        "# x\n"
        + TABLE.replace(
            "match: {path: {prefix: /b}, methods: [FETCH]}",
            "match:\n    - path: {prefix: /b}\n    - {path: {exact: /y}, not: {methods: [PUT]}}",
        ),
    ),
    "a default of path policies": (
        TABLE.replace("name: b\n", "name: b\n    path_policy: {double_slash: merge}\n"),
        TABLE.replace("name: b\n", "name: b\n    path_policy: {double_slash: merge}\n").replace(
            "version: 1",
            "version: 1\ndefaults: {path_policy: {backslash: keep, double_slash: keep}}",
        ),
    ),
    "a line above files of keys": (
        TABLE.replace(
            "backend_refs: {old: 80, new: 20}",
            "backend_refs: {old: 80, new: 20}, override: {header: x-o, token_key_file: k}",
        ),
        "# x\n"
        + TABLE.replace(
            "backend_refs: {old: 80, new: 20}",
            "backend_refs: {old: 80, new: 20}, override: {header: x-o, token_key_file: k}",
        ),
    ),
    "a default of errors": (
        TABLE.replace("name: b\n", "name: b\n    errors: {404: {body: b}}\n"),
        TABLE.replace("name: b\n", "name: b\n    errors: {404: {body: b}}\n").replace(
            "version: 1", "version: 1\ndefaults: {errors: {404: {body: d}, 5xx: {file: d.html}}}"
        ),
    ),
    "the kill switch": (TABLE, TABLE.replace("version: 1", "version: 1\nkill_switch: true")),
    "a list without indentation": (
        re.sub("(?m)^  ", "", TABLE),
        re.sub("(?m)^  ", "", TABLE).replace("80, new: 20", "70, new: 30"),
    ),
    "Windows line ends": (
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r\n").replace("80, new: 20", "70, new: 30"),
    ),
    "without a line end": (TABLE, (HEAD + ROUTES).removesuffix("\n")),
    "an end of the document": (TABLE, f"---\n{TABLE}...\n"),
    "a byte order mark": (TABLE, f"\ufeff{TABLE}"),
    "a text in lines": (
        TABLE,
        TABLE.replace(
            "backend_refs: old\n",
            "direct_response:\n      status: 200\n      body: |+\n        one\n\n       # two\n",
            1,
        ),
    ),
}


@pytest.mark.parametrize(("before", "after"), QUICK.values(), ids=QUICK.keys())
def test_an_edit_of_a_few_lines_parses_these(before: str, after: str) -> None:
    parsed = changed(before, after)
    assert parsed is not None
    whole = parse(after.encode(), "t")
    assert (parsed.table, parsed.warnings) == (whole.table, whole.warnings)
    assert parsed.known == whole.known


# --- edits that need the whole text -----------------------------------------------------------

WHOLE = {
    "a header that may pass": TABLE.replace("version: 1", "version: 1\ndefaults: {forwarded: {allow_headers: [x_y]}}"),
    "a backend fewer": TABLE.replace("new: http", "now: http"),
    "another cohort": TABLE.replace("salt: s", "salt: t"),
    "most routes": TABLE.replace("/a}", "/z}").replace("/b}", "/y}"),
    "an error in a route": TABLE.replace("20}", "30}"),
    "an error in a name": TABLE.replace("prefix: /a", "prefax: /a"),
    "an error elsewhere": TABLE.replace("http://a:1", "ftp://a"),
    "a name twice": TABLE.replace("name: a,", "name: c,"),
    "a line twice": TABLE.replace("  - {name: c", "  - {name: c, backend_refs: new}\n  - {name: c"),
    "no list": TABLE.replace("routes:\n", "routes: {}\nx-routes:\n"),
    "an item under a dash": TABLE.replace("  - name: b", "  -\n    name: b"),
    "an item that is no mapping": TABLE.replace("  - {name: c", "  - c\n  - {name: c"),
    "a scalar in front": TABLE.replace("routes:\n", "routes:\n   x\n"),
    "a flow mapping at the top": "{version: 1, backends: {old: http://a:1, new: http://b:1},\nroutes:\n" + ROUTES.partition("\n")[2] + "}\n",
    "a second document": TABLE + "---\n" + TABLE,
    "a document in between": TABLE.replace("  # the", "---\n  # the"),
    "`routes:` inside quotes": TABLE.replace("routes:\n", "x-a: \"\nroutes:\n").replace("tests:", "\"\ntests:"),
    "`routes:` inside quotes, and empty": TABLE.replace("routes:\n", 'x-a: "\nroutes:\n').replace("tests:", '"\nroutes:\ntests:'),
    "`routes:` twice": TABLE + ROUTES,
    "a key with less indentation": TABLE.replace("tests:\n", " tests:\n"),
    "an item of another list behind": TABLE.replace("tests:\n", "- x\ntests:\n"),
    "a quoted text over two routes": TABLE.replace("/a}}", "\"/a}}").replace("/b}", "/b\"}"),
    "a quoted text over a route": TABLE.replace("name: b", "name: \"b\n  - x\""),
    "an anchor and an alias": TABLE.replace("backend_refs: old\n", "backend_refs: &r old\n").replace("backend_refs: new", "backend_refs: *r"),
    "an anchor": TABLE.replace("name: b", "name: &n b"),
    "an anchor in the outline": TABLE.replace("version: 1", "version: &v 1"),
    "a line end of another alphabet": TABLE.replace("# the", "# \u2028# the"),
    "an old line end": TABLE.replace("# the second\n", "# the second\r"),
    "a NEL": TABLE.replace("# the", "# \x85# the"),
    "a tab": TABLE.replace("\n\n", "\n\t\n"),
    "a control character": TABLE.replace("name: b", "name: b\x01"),
    "another version": TABLE.replace("version: 1", "version: 2"),
    "no routes at all": HEAD,
    "nothing": "",
}  # fmt: skip


@pytest.mark.parametrize("after", WHOLE.values(), ids=WHOLE.keys())
def test_a_text_in_doubt_is_parsed_as_a_whole(after: str) -> None:
    assert changed(TABLE, after) is None
    _, before = outcome(TABLE)
    assert outcome(after, before)[0] == outcome(after)[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(WHOLE["an anchor and an alias"], id="aliases"),
        pytest.param(WHOLE["an item under a dash"], id="an item under a dash"),
        pytest.param(TABLE.replace("routes:\n", "routes: [").replace("  - {name: a", "{name: a"), id="no table"),
        pytest.param(HEAD + "routes: [{name: a, backend_refs: old}]\n", id="a flow list"),
        pytest.param(TABLE.replace("# the", "# \u2028# the"), id="a line separator"),
        # The text of the first route alone would be no YAML, and the second route begins in the middle of a line.
        pytest.param(
            HEAD + 'routes:\n  - {name: a, direct_response: {status: 200, body: "\n  - "}}\u2028  - {name: b, backend_refs: old}\n',
            id="a route that begins inside a line",
        ),
        pytest.param(
            HEAD + 'routes:\n  - {name: a, match: {path: {prefix: /a}}, direct_response: {status: 200, body: "x\n  - y"}}\n  - {name: b, backend_refs: old}\n',
            id="a dash inside quotes",
        ),
        pytest.param(
            HEAD + 'routes:\n  - {name: a, direct_response: {status: 200, body: "x\ny"}}\n', id="quotes with less indentation"
        ),
        pytest.param(
            HEAD + 'routes:\n  - {name: a, direct_response: {status: 200, body: "x\ny"}}\nx-b: 1\n', id="and a key behind them"
        ),
    ],
)  # fmt: skip
def test_routes_are_not_known_by_lines_that_do_not_hold_the_whole_route(text: str) -> None:
    try:
        assert known_of(text) is None
    except TableError:
        assert "routes: [" in text


def test_a_test_that_names_a_known_route_reads_it_again() -> None:
    """Only then is its block needed: a test without assumptions must not depend on its weights (rule 9)."""
    without = HEAD + ROUTES
    _, before = outcome(without)
    careless = TABLE.replace("expect: {route: a}", "expect: {route: a, backend: old}")
    assert outcome(careless, before)[0] == outcome(careless)[0]
    assert "depends on the stage or weights" in str(outcome(careless)[0])


def test_a_failing_test_and_an_unreachable_route_are_found_among_known_routes() -> None:
    _, before = outcome(TABLE)
    fails = TABLE.replace("path: /a/x", "path: /b/x")
    hidden = TABLE.replace(
        "  - {name: c",
        "  - {name: d, match: {path: {prefix: /a/x}}, priority: -1, backend_refs: old}\n  - {name: c",
    )
    for text in (fails, hidden):
        assert outcome(text, before)[0] == outcome(text)[0]
        assert isinstance(outcome(text)[0][0], Problem)


PAIR = """\
  - {name: d, match: {hosts: [h.example], path: {prefix: /}}, backend_refs: old}
  - {name: e, match: {path: {exact: /e}}, backend_refs: new}
"""


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda text: "# moved\n" + text, id="a line above"),
        pytest.param(lambda text: text.replace("name: e", "name: f"), id="another name"),
        pytest.param(lambda text: text.replace(PAIR, ""), id="without the pair"),
        pytest.param(lambda text: text.replace("exact: /e", "exact: /f"), id="another match"),
    ],
)
def test_routes_that_were_ranked_otherwise_are_those_of_the_whole_text(
    edit: Callable[[str], str],
) -> None:
    text = HEAD + ROUTES.replace("  - {name: c", PAIR + "  - {name: c") + TESTS
    first, before = outcome(text)
    assert "until 0.1: precedence has changed" in str(first)
    assert changed(text, edit(text)) is not None
    assert outcome(edit(text), before)[0] == outcome(edit(text))[0]


def test_more_warnings_than_are_listed_are_those_of_the_whole_text() -> None:
    routes = "".join(
        f"  - {{name: r{number}, match: {{path: {{prefix: /{number}}}, methods: [FETCH]}}, backend_refs: old}}\n"
        for number in range(MAX_PROBLEMS - 1)
    )
    text = f"{HEAD}routes:\n{routes}"
    more = (
        text + text[-len(routes) :].partition("\n")[0].replace("r0", "x").replace("/0", "/x") + "\n"
    )
    _, before = outcome(text)
    assert changed(text, text + "# more\n") is not None
    assert changed(text, more) is None
    assert outcome(more, before)[0] == outcome(more)[0]


def test_the_nodes_of_all_routes_are_counted() -> None:
    known = known_of(TABLE)
    assert known is not None
    assert parse_changed(TABLE.encode(), "t", known) is not None
    large = {
        text: replace(each, read=replace(each.read, size=MAX_NODES // 3))
        for text, each in known.by_text.items()
    }
    assert parse_changed(TABLE.encode(), "t", replace(known, by_text=large)) is None


# --- random edits of random tables ------------------------------------------------------------

PIECES = [
    "  - {name: n%d, match: {path: {prefix: /p%d}}, backend_refs: {old: 80, new: 20}}\n",
    "  - {name: n%d, match: {path: {exact: /e%d}, headers: {x_y: z}}, backend_refs: old}\n",
    "  - name: n%d\n    match: {path: {prefix: /q%d}}\n    stage: canary\n    backend_refs: {old: 90, new: 10}\n",
    "  - name: n%d # why\n    # more\n    match:\n      path: {template: '/t%d/{id}'}\n      methods: [GET, FETCH]\n    backend_refs:\n    - {name: old, weight: 50}\n    - name: new\n      weight: 50\n\n",
    "  - name: n%d\n    match: {path: {exact: /d%d}}\n    direct_response:\n      status: 200\n      body: |\n        - a\n\n        b\n",
    '  - {name: n%d, match: {path: {prefix: /m%d}}, direct_response: {status: 200, body: "one\n      two"}}\n',
    "  - {name: n%d, match: {path: {prefix: /c%d}}, cohort: everyone, backend_refs: new}\n",
    "  - {name: n%d, match: [{path: {prefix: /v%d}}, {path: {exact: /w}}], backend_refs: old}\n",
    "  - {name: n%d, match: {path: {prefix: /x%d}}, errors: {404: {file: e.html}}, backend_refs: old}\n",
    "  - {name: n%d, match: {path: {prefix: /r%d}}, redirect: {path: /}, timeouts: {request: 3s}}\n",
]  # fmt: skip
ENDS = [
    "",
    TESTS.replace("/a/x", "/p0").replace("route: a", "route: n0"),
    "tests:\n  - {name: t, input: {path: /q2}, given: {stage: live}, expect: {route: n2, backend: new}}\n",
    "x-more: &m 1\n",
    "# the end",
]
SNIPPETS = [
    "&a ", "*a", "- ", "  - ", "\n", "\n\n", "  ", '"', "'", "|", ">", "# ", ": ", ",", "{", "}", "[", "]", "\r", "\r\n",
    "\x85", "\u2028", "---\n", "...\n", "tests:\n", "routes:\n", "  x: y\n", "stage: live", "kill_switch: true\n", "é", "\t",
    "old", "0", "9", "fetch", "%", "!t ", "? ", "<<: 1\n",
]  # fmt: skip


def table(draw: random.Random) -> str:
    """A valid table, most of the time."""
    count = draw.randint(1, 9)
    routes = "".join(draw.choice(PIECES) % (number, number) for number in range(count))
    return f"{HEAD}routes:\n{routes}{draw.choice(ENDS)}"


def insert(text: str, draw: random.Random) -> str:
    at = draw.randint(0, len(text))
    return text[:at] + draw.choice(SNIPPETS) + text[at:]


def cut(text: str, draw: random.Random) -> str:
    at = draw.randint(0, len(text))
    return text[:at] + text[at + draw.choice([1, 1, 2, 9, 40]) :]


def swap(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    one, other = (draw.randrange(len(lines)) for _ in range(2)) if lines else (0, 0)
    if lines:
        lines[one], lines[other] = lines[other], lines[one]
    return "".join(lines)


def add_route(text: str, draw: random.Random) -> str:
    number = draw.randint(10, 30)
    starts = [match.start() for match in re.finditer(r"(?m)^  - (?:\{name: n|name: n)", text)] or [
        len(text)
    ]
    at = draw.choice(starts)
    return text[:at] + draw.choice(PIECES) % (number, number) + text[at:]


def add_line(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    lines.insert(draw.randint(0, len(lines)), draw.choice(["# x\n", "\n", "    # y\n", "  # z\n"]))
    return "".join(lines)


def weight(text: str, draw: random.Random) -> str:
    return text.replace(
        "old: 80, new: 20", draw.choice(["old: 75, new: 25", "old: 75, new: 26"]), 1
    )


def unindent(text: str, draw: random.Random) -> str:
    return re.sub("(?m)^  ", "", text)


def new_backend(text: str, draw: random.Random) -> str:
    return text.replace("{old:", draw.choice(["{more: http://c:1, old:", "{odd:"]), 1)


def default(text: str, draw: random.Random) -> str:
    defaults = draw.choice(
        ["timeouts: {request: 2h}", "limits: {max_headers: 7}", "forwarded: {allow_headers: [x_y]}"]
    )
    return text.replace("version: 1\n", f"version: 1\ndefaults: {{{defaults}}}\n", 1)


EDITS: list[Callable[[str, random.Random], str]] = [
    insert, cut, swap, add_route, add_route, add_line, add_line, weight, weight, unindent, new_backend, default,
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_random_edits_of_random_tables(draw: random.Random) -> None:
    text = EXAMPLE if draw.random() < 0.05 else table(draw)
    _, before = outcome(text)
    for _ in range(4):
        text = draw.choice(EDITS)(text, draw)
        expected, whole = outcome(text)
        actual, loaded = outcome(text, before)
        assert actual == expected, text
        if loaded is not None:
            assert whole is not None
            # What the next load may use of it, if any, is what it may use of a load of the whole text.
            assert loaded.known == whole.known, text
            before = loaded
