"""A route with several matches: both forms, places of problems, unreachable matches, and edits that leave them."""

import pytest

from proxy.config.expand import expand
from proxy.config.load import load
from proxy.control.changes import changes_between
from proxy.control.edits.operations import Consent, change_stage, shift
from proxy.control.edits.parsed_table import parsed_table
from proxy.errors import TableError
from proxy.model import Match, PathMatch, StringMatch
from tests.make import exact, prefix
from tests.unit.config.config_tables import (
    HEAD,
    MARK,
    assert_problem,
    only_route,
    parse,
    with_route,
    without_places,
)

SEVERAL = with_route(
    "backend_refs: legacy, match: [{path: {prefix: /a}}, {hosts: [a.b], path: {exact: /c}}]"
)


def test_a_match_may_be_a_list() -> None:
    route = only_route(SEVERAL)
    assert route.matches == (Match(path=prefix("/a")), Match(("a.b",), exact("/c")))
    assert [line for line, _ in route.match_positions] == [5, 5]


def test_a_path_may_ignore_case_or_have_a_tail() -> None:
    paths = {
        "{exact: /A, trailing_slash: ignore, ignore_case: true}": PathMatch(
            "exact", "/A", True, ignore_case=True
        ),
        "{prefix: /A, ignore_case: true}": PathMatch("prefix", "/A", ignore_case=True),
        '{template: "/A/{x}", params: {x: "[0-9]"}, ignore_case: true}': PathMatch(
            "template", "/A/{x}", False, (("x", "[0-9]"),), True
        ),
        '{template: "/a/{x}/b/**"}': PathMatch("template", "/a/{x}/b", tail=True),
    }
    for written, path in paths.items():
        text = with_route(f"backend_refs: legacy, match: {{path: {written}}}")
        assert only_route(text).matches == (Match(path=path),)
        assert without_places(parse(expand(text.encode()))) == without_places(parse(text))


def test_a_match_may_have_a_scheme_and_leave_requests_out() -> None:
    text = with_route(
        "backend_refs: legacy, match: {scheme: https, headers: {a: {exact: b, members: true}}, "
        "not: {path: {prefix: /a}, query: {v: '1'}}}"
    )
    excluded = Match(path=prefix("/a"), query=(StringMatch("v", "exact", "1"),))
    expected = Match(
        headers=(StringMatch("a", "exact", "b", True),), scheme="https", excluded=(excluded,)
    )
    assert only_route(text).matches == (expected,)
    several = text.replace("not: {", "not: [{").replace("'1'}}}", "'1'}}, {hosts: [a.b]}]}")
    (match,) = only_route(several).matches
    assert match.excluded == (excluded, Match(("a.b",)))
    for each in (text, several):
        assert without_places(parse(expand(each.encode()))) == without_places(parse(each))


def test_one_match_may_be_written_either_way() -> None:
    one = only_route(with_route("backend_refs: legacy, match: {path: {prefix: /a}}"))
    assert one == only_route(with_route("backend_refs: legacy, match: [{path: {prefix: /a}}]"))
    assert only_route(with_route("backend_refs: legacy")).matches == (Match(),)
    assert only_route(with_route("backend_refs: legacy, match: {}")).matches == (Match(),)


def test_the_long_form_has_a_list_and_reads_back() -> None:
    for text in (SEVERAL, with_route("backend_refs: legacy")):
        assert without_places(parse(expand(text.encode()))) == without_places(parse(text))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("match: «[]", "the list is empty — write at least one item"),
        (
            "match: «/a",
            "`/a` stands where a list is meant — write {path: …}, or a list of such matches",
        ),
        (
            "match: [{path: {prefix: /a}}, «/b]",
            "`/b` stands where keys are meant — "
            "write keys like `hosts`, `path`, `methods`, `headers`, `query`, `cookies`",
        ),
        (
            "match: [{path: {prefix: /a}}, {«pth: {exact: /b}}]",
            "unknown key `pth` in `match` — did you mean `path`?",
        ),
        (
            "match: [{path: {prefix: /a}}, {path: {exact: «b}}]",
            "the path `b` does not start with a slash — write /b",
        ),
        (
            "match: [{path: {prefix: /a}}, {path: {«prefix: /b, exact: /b}}]",
            "`prefix` stands beside `exact` — a path has one of them",
        ),
        (
            "match: [{path: {prefix: /a}}, {headers: {«host: x}}]",
            "`host` is matched by `hosts` — write `hosts: […]`",
        ),
        (
            "match: [{path: {prefix: /a}}, {methods: [«get]}]",
            "the method `get` is not a registered one — did you mean GET? Case counts in methods",
        ),
        (
            "match: {methods: [«get]}",
            "the method `get` is not a registered one — did you mean GET? Case counts in methods",
        ),
    ],
)
def test_a_problem_stands_at_its_match(body: str, problem: str) -> None:
    assert_problem(with_route(f"backend_refs: legacy, {body}"), problem)


@pytest.mark.parametrize(
    ("rewrite", "match", "problem"),
    [
        (
            "«replace_prefix_match: /x",
            "[{path: {prefix: /a}}, {path: {exact: /b}}]",
            "`replace_prefix_match`, and match 2 has no prefix — "
            "write `match: {path: {prefix: …}}`, or use `replace_full_path`",
        ),
        (
            "«replace_prefix_match: /x",
            "[{hosts: [a.b]}, {path: {prefix: /b}}]",
            "`replace_prefix_match`, and match 1 has no prefix — "
            "write `match: {path: {prefix: …}}`, or use `replace_full_path`",
        ),
        (
            'template: «"/x/{id}"',
            '[{path: {template: "/a/{id}"}}, {path: {template: "/b/{id2}"}}]',
            "match 2 has no parameter `id` — did you mean `id2`?",
        ),
        (
            'template: «"/x/{id}/**"',
            '[{path: {template: "/a/{id}/**"}}, {path: {template: "/b/{id}"}}]',
            "match 2 has no tail for `/**` — "
            'write `match: {path: {template: "/…/**"}}`, or leave /** out',
        ),
        (
            'template: «"/x/**"',
            "[{path: {prefix: /a}}, {hosts: [a.b]}]",
            "match 2 has no tail for `/**` — "
            'write `match: {path: {template: "/…/**"}}`, or leave /** out',
        ),
    ],
)
def test_a_rewrite_needs_its_parts_in_every_match(rewrite: str, match: str, problem: str) -> None:
    refs = f"[{{name: legacy, url_rewrite: {{path: {{{rewrite}}}}}}}]"
    assert_problem(with_route(f"match: {match}, backend_refs: {refs}"), problem)


def assert_unreachable(marked: str, text: str) -> None:
    before, _, after = marked.partition(MARK)
    with pytest.raises(TableError) as refused:
        load((before + after).encode(), "t")
    (problem,) = refused.value.problems
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert ((problem.line, problem.column), f"{problem.text} — {problem.hint}") == (place, text)


def test_a_match_that_a_sibling_takes_all_of_is_an_error() -> None:
    assert_unreachable(
        with_route(
            "backend_refs: legacy, match: [{path: {prefix: /a}}, «{path: {prefix: /a}, hosts: [], methods: []}]"
        ),
        "no request reaches match 2 of `r`: match 1 takes all of it — leave it out",
    )


def test_a_match_that_another_route_takes_all_of_is_an_error() -> None:
    text = (
        f"{HEAD}routes:\n- name: r\n  backend_refs: legacy\n  match:\n  - path: {{prefix: /a}}\n"
        "  - «path: {exact: /b/c}\n- {name: s, match: {path: {prefix: /b}}, priority: 1, backend_refs: new}\n"
    )
    assert_unreachable(
        text,
        "no request reaches match 2 of `r`: `s` (line 10) takes all of it — leave it out, or narrow `s`",
    )


def test_a_route_is_hidden_by_one_of_several_matches() -> None:
    text = (
        f"{HEAD}routes:\n"
        "- {name: r, priority: 1, match: [{path: {prefix: /a}}, {path: {prefix: /b}}], backend_refs: legacy}\n"
        "- {name: s, match: {path: {exact: /b/c}}, backend_refs: new}\n"
    )
    with pytest.raises(TableError, match=r"`r match 2` \(line 5\) takes all of it"):
        load(text.encode(), "t")


BLOCK = f"""{HEAD}routes:
- name: r
  stage: canary
  match: # a seam of two paths
  - path: {{prefix: /a}}  # the list

  - {{path: {{exact: /b}}, methods: [GET]}}
  backend_refs: {{legacy: 80, new: 20}}
"""


def test_an_edit_moves_the_route_and_leaves_its_matches_be() -> None:
    parsed = parsed_table(BLOCK.encode(), "t")
    shifted = shift(parsed, "r", {"new": 5_000}, Consent())
    assert shifted is not None
    assert shifted.text.decode() == BLOCK.replace("80, new: 20", "50, new: 50")
    staged = change_stage(parsed, "r", "live", None, Consent(True, "r"))
    assert staged is not None
    assert staged.text.decode() == BLOCK.replace("canary", "live").replace(
        "80, new: 20", "0, new: 100"
    )


def test_the_places_of_matches_are_no_change() -> None:
    moved = BLOCK.replace("  # the list\n\n", "\n")
    before, after = parse(BLOCK), parse(moved)
    assert before.routes[0].match_positions != after.routes[0].match_positions
    assert changes_between(before, after).changed == ()
    other = parse(BLOCK.replace("exact: /b", "exact: /c"))
    assert changes_between(before, other).changed == ("r",)


def test_a_test_of_a_table_may_have_a_scheme() -> None:
    text = (
        f"{HEAD}routes:\n- {{name: r, match: {{scheme: http}}, redirect: {{scheme: https}}}}\n"
        "- {name: s, backend_refs: legacy}\n"
        "tests:\n- {name: a, input: {path: /}, expect: {route: r, status: 302}}\n"
        "- {name: b, input: {path: /, scheme: https}, expect: {route: s}}\n"
    )
    assert [result.failures for result in load(text.encode(), "t").report.results] == [(), ()]
