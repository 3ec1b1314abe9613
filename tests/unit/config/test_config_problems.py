"""How the problems of a table are reported, and the bounds of a table."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.config.loader import parse_table
from tests.unit.config.config_tables import (
    HEAD,
    ONE_ROUTE,
    assert_problem,
    problems,
    with_backend,
    with_match,
    with_route,
)


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        (f"{HEAD}routes:\n- «{{name: r}}\n", "the route `r` has no answer — write `backend_refs`, `direct_response` or `redirect`"),
        (f"{HEAD}routes:\n- «{{backend_refs: legacy}}\n", "`name` is missing — add `name:`"),
        (f"{HEAD}routes:\n- {{name: «a b, backend_refs: legacy}}\n", "`a b` is no name — use letters, digits, - _ and dots, at most 128, with a letter or digit first"),
        (f"{HEAD}routes:\n- «text\n", "`text` stands where keys are meant — write keys like `name`, `stage`, `priority`, `match`, `backend_refs`, `direct_response`"),
        (f"{HEAD}routes:\n- {{name: a, backend_refs: legacy, match: {{path: {{prefix: /a}}}}}}\n- {{name: «a, backend_refs: legacy}}\n", "there is a route `a` already, in line 5 — give each its own name"),
        (f"{HEAD}routes: «[]\n", "there are no routes — write `- name: …`"),
        (f"{HEAD}routes: «{{}}\n", "a mapping stands where a list is meant — write `- name: …`"),
        (f"{HEAD}routes:«\n", "nothing is given where a list is meant — write `- name: …`"),
        ("«version: 1\n", "`routes` is missing — add `routes:`"),
        ("version: 1\nbackends: «[a]\nroutes: [{name: r, redirect: {path: /a}}]\n", "a list stands where names are meant — write NAME: http://host:port"),
        ("version: 1\ncohorts: «a\nroutes: [{name: r, redirect: {path: /a}}]\n", "`a` stands where names are meant — write NAME: {…}"),
        ('version: 1\nbackends: {«"a b": "http://a"}\nroutes: [{name: r, redirect: {path: /a}}]\n', "`a b` is no name — use letters, digits, - _ and dots, at most 128, with a letter or digit first"),
        (f"{HEAD}{ONE_ROUTE}«routez: []\n", "unknown key `routez` — did you mean `routes`?"),
        (f"{HEAD}{ONE_ROUTE}metadata: {{a: «1}}\n", '`1` is a number, and text is meant — write it in quotes: "1"'),
        (f"{HEAD}{ONE_ROUTE}test_policy: {{min_route_coverage: «101}}\n", "`101` is no percentage — write 0 to 100"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_an_error(marked: str, said: str) -> None:
    assert_problem(marked, said)


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
version: 1
kill_switch: off
backends:
  legacy: http://travelbuddy:8080/app
  flights: {url: "http://flights:99999", health_check: {path: /readyz, interval: 5}}
cohorts:
  everyone: {salt: 010, hash_policy: [{cookie: TB_UID}]}
routes:
  - name: list
    stage: live
    match: {path: {prefx: /flights}, methods: [get, "GE T"]}
    backend_refs: {legacy: 80, flights: 15}
    cohort: everybody
  - name: list
    match: {path: /hotels}
    backend_refs: legcay
    timeouts: {request: 5s, backend_request: 1:30}
  - name: rest
    backend_refs: {name: legacy, weight: 100}
tests:
  - name: rest
    input: {path: /x}
    expect: {route: rst, backend: legacy}
"""
    assert [(problem.line, problem.column) for problem in problems(text)] == [
        (2, 14),
        (4, 11),
        (5, 18),
        (5, 82),
        (7, 20),
        (11, 20),
        (11, 53),
        (12, 19),
        (12, 41),
        (13, 13),
        (14, 11),
        (15, 19),
        (16, 19),
        (17, 46),
        (19, 19),
        (23, 21),
    ]


def test_no_more_problems_are_looked_for_than_anyone_mends() -> None:
    assert len(problems(HEAD + "routes:\n" + "- a\n" * 2000)) == 500


def test_any_number_of_warnings_leaves_every_route_in_the_table() -> None:
    routes = "".join(
        f"- {{name: r{n}, backend_refs: legacy, match: {{headers: {{a_{n}: b}}}}}}\n"
        for n in range(600)
    )
    table, warnings = parse_table(f"{HEAD}routes:\n{routes}".encode())
    assert (len(table.routes), len(warnings)) == (600, 500)


def test_a_problem_is_one_line_whatever_stands_in_the_file() -> None:
    (found,) = problems(with_route('backend_refs: legacy, "a\\n\\e[31mb": 1'))
    assert found.text == "unknown key `a\\n\\x1b[31mb`"
    (found,) = problems(with_route(f"backend_refs: legacy, {'a' * 900}: 1"))
    assert len(found.text) == 500
    for text in ('x-a: *"\\n"', '? "a\\nb"\n: 1\n? "a\\nb"\n: 2'):
        (found,) = problems(f"{HEAD}{ONE_ROUTE}{text}\n")
        assert found.text.isprintable()


def test_a_block_beyond_its_bound_is_refused_without_a_look_inside() -> None:
    text = with_match(f"methods: [{'A, ' * 20_000}A]").replace("- {", "- «{")
    assert_problem(text, "more than 20,000 keys and values in one block — split it")
    text = f"{HEAD}{ONE_ROUTE}metadata: «{{{', '.join(f'a{n}: b' for n in range(10_001))}}}\n"
    assert_problem(text, "more than 20,000 keys and values in one block — split it")


@pytest.mark.parametrize("section", ["backends", "cohorts"])
def test_named_sections_are_bounded(section: str) -> None:
    names = ", ".join(f"a{n}: x" for n in range(10_001))
    text = f"version: 1\n{section}: «{{{names}}}\nroutes: [{{name: r, redirect: {{path: /a}}}}]\n"
    assert_problem(text, f"10,001 {section}, more than 10,000 — split the table")


@pytest.mark.parametrize(("section", "bound"), [("routes", 100_000), ("tests", 20_000)])
def test_listed_sections_are_bounded(section: str, bound: int) -> None:
    text = "version: 1\n" if section == "routes" else HEAD + ONE_ROUTE
    said = f"{bound + 1:,} {section}, more than {bound:,} — split the table"
    assert_problem(f"{text}{section}: «[{'a, ' * (bound + 1)}]\n", said)


def test_a_word_of_any_length_is_told_without_a_guess() -> None:
    (found,) = problems(with_route(f"backend_refs: legacy, stage: {'a' * 200}"))
    assert found.hint == "known: `legacy`, `shadow`, `canary`, `live`, `retired`"


def test_wrong_backends_are_told_up_to_a_bound() -> None:
    names = ", ".join(f"b{n}: 1" for n in range(600))
    text = f"version: 1\nbackends: {{{names}}}\nroutes: [{{name: r, redirect: {{path: /a}}}}]\n"
    assert len(problems(text)) == 500


@pytest.mark.parametrize(
    ("marked", "problem"),
    [
        (with_match("path: {prefix: /a}, «ignore_case: true"), "unknown key `ignore_case` in `match` — write it under `path:`"),
        (with_match("path: {prefix: /a, «methods: [GET]}"), "unknown key `methods` in `path` — write it beside `path`"),
        (with_match("path: {prefix: /a}, not: {«ignore_case: true}"), "unknown key `ignore_case` in `not` — write it under `path:`"),
        (with_backend("url: http://a, «max_connections: 5"), "unknown key `max_connections` — write it under `circuit_breakers:`"),
        (with_route("backend_refs: [{name: legacy, url_rewrite: {«replace_full_path: /}}]"), "unknown key `replace_full_path` in `url_rewrite` — write it under `path:`"),
        (with_route("backend_refs: legacy, «allow_origins: [a]"), "unknown key `allow_origins` — write it under `cors:`"),
    ],
)  # fmt: skip
def test_a_key_that_is_one_level_off_is_sent_to_its_place(marked: str, problem: str) -> None:
    assert_problem(marked, problem)
