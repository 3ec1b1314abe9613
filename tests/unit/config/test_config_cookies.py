"""`cookies` of backends: the rules of one, and those between several."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.model import CookieRules
from tests.unit.config.config_tables import ONE_ROUTE, assert_problem, parse, with_backend


def with_two(first: str, second: str, more: str = "") -> str:
    return (
        f"version: 1\nbackends:\n  legacy: {{url: http://a, cookies: {{{first}}}{more}}}\n"
        f"  new: {{url: http://b, cookies: {{{second}}}}}\n{ONE_ROUTE}"
    )


def rules(text: str) -> list[CookieRules]:
    return [backend.cookies for backend in parse(text).backends]


def test_names_are_renamed_beside_the_lists() -> None:
    text = with_backend("url: http://a, cookies: {allow: [A, B], remove: [B], rename: {A: C}}")
    assert rules(text) == [CookieRules(frozenset("AB"), frozenset("B"), (("A", "C"),))]


def test_names_may_be_swapped() -> None:
    text = with_backend("url: http://a, cookies: {allow: [A, B], rename: {A: B, B: A}}")
    assert rules(text)[0].renamed == (("A", "B"), ("B", "A"))


@pytest.mark.parametrize(
    ("first", "second", "removed"),
    [
        ("rename: {A: B}", "", [set(), {"B"}]),
        ("rename: {A: B}", "rename: {A: B}", [set(), set()]),
        ("rename: {A: B}", "allow: [B]", [set(), set()]),
        ("rename: {A: B}", "rename: {B: C}", [{"C"}, {"B"}]),
        ("remove: [X]", "rename: {A: B}", [{"X", "B"}, set()]),
    ],
)
def test_a_renamed_cookie_is_for_the_backends_with_its_name_alone(
    first: str, second: str, removed: list[set[str]]
) -> None:
    assert [set(each.remove) for each in rules(with_two(first, second))] == removed


@pytest.mark.parametrize(
    ("cookies", "said"),
    [
        ("rename: {A: C, B: «C}", "`A` and `B` are renamed to the same name — give each its own name"),
        ("rename: {A: «A}", "`A` is renamed to itself — write another name"),
        ("remove: [A], rename: {«A: C}", "`A` is renamed, and never forwarded — take it from `remove`, or leave the name out"),
        ("allow: [B], rename: {«A: C}", "`A` is renamed, and not in `allow` — add it there, by the backend's name"),
        ("allow: [A, «C], rename: {A: C}", "the backend knows `C` as `A` — the list has the backend's names: leave it out"),
        ("remove: [«C], rename: {A: C}", "the backend knows `C` as `A` — the list has the backend's names: leave it out"),
        ("rename: {A: «__Host-A}", "`A` and `__Host-A` promise different attributes — write a name without prefix"),
        ("rename: {__host-A: «A}", "`__host-A` and `A` promise different attributes — write a name with __host-"),
        ("rename: {__Secure-A: «__Host-A}", "`__Secure-A` and `__Host-A` promise different attributes — write a name with __Secure-"),
        ("rename: {__Host-A: «__Host-Http-A}", "`__Host-A` and `__Host-Http-A` promise different attributes — write a name with __Host-"),
        ('rename: {A: «"a b"}', "`a b` is no cookie name — use letters, digits, - and _"),
        ('rename: {«"a;": B}', "`a;` is no cookie name — use letters, digits, - and _"),
        ("rename: «[A]", "a list stands where keys are meant — write NAME: value"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_a_problem(cookies: str, said: str) -> None:
    assert_problem(with_backend(f"url: http://a, cookies: {{{cookies}}}"), said)


def test_names_with_one_prefix_are_renamed() -> None:
    text = with_backend(
        "url: http://a, cookies: {rename: {__Host-A: __host-B, __Http-A: __Http-C}}"
    )
    assert len(rules(text)[0].renamed) == 2


@pytest.mark.parametrize(
    ("first", "second", "more", "said"),
    [
        ("rename: {A: C}", "rename: {B: «C}", "", "`A` of `legacy` is renamed to `C` already — give each its own name"),
        ("", "rename: {A: «C}", ", session_affinity: {cookie: C}", "`C` is the cookie of the facade for `legacy` — write another name"),
        ("", "rename: {C: «A}", ", session_affinity: {cookie: C}", "`C` is the cookie of the facade for `legacy` — write another name"),
    ],
)  # fmt: skip
def test_names_of_two_backends_that_collide_are_a_problem(
    first: str, second: str, more: str, said: str
) -> None:
    assert_problem(with_two(first, second, more), said)


def test_a_generated_cookie_of_a_cohort_is_not_that_of_an_affinity() -> None:
    text = """\
version: 1
backends: {legacy: {url: http://a, session_affinity: {cookie: node}}}
cohorts: {people: {salt: s, hash_policy: [{cookie: uid}, {cookie: «node, generate: true}]}}
routes: [{name: all, backend_refs: legacy}]
"""
    assert_problem(text, "`node` is the cookie of the facade for `legacy` — write another name")
