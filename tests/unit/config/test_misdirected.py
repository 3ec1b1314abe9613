"""Two requests that belong together and take different routes by mistake: a warning with both routes."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.config.load import load
from proxy.errors import Problem

HEAD = """\
version: 1
backends: {legacy: "http://legacy:8080", new: "http://new:8080"}
routes:
"""
REST = "- {name: rest, backend_refs: legacy}\n"


def warnings(routes: str) -> list[Problem]:
    return list(load((HEAD + routes).encode(), "t").warnings)


def route(match: str, more: str = "", refs: str = "new") -> str:
    return f"- {{name: r, match: {match}, backend_refs: {refs}{more}}}\n"


PREFLIGHT = (
    "a CORS preflight (OPTIONS {}) goes to the backends of `rest`, and its GET to those of `r` — "
    "add OPTIONS to `methods`, or let the facade respond to preflights with `cors`"
)


@pytest.mark.parametrize(
    ("match", "example"),
    [
        ("{path: {prefix: /a}, methods: [GET]}", "/a"),
        ("{path: {exact: /a/b}, methods: [POST, GET, HEAD]}", "/a/b"),
        ('{path: {template: "/a/{id}", params: {id: "[0-9]+"}}, methods: [GET]}', "/a/1"),
        ("{hosts: ['*.a.example'], methods: [GET], query: {q: '1'}}", "/"),
        ("{methods: [GET], scheme: https}", "/"),
    ],
)
def test_a_preflight_that_goes_to_another_backend_than_its_get(match: str, example: str) -> None:
    (warning,) = warnings(route(match) + REST)
    assert (warning.line, warning.column, warning.severity) == (4, 1, "warning")
    assert f"{warning.text} — {warning.hint}" == PREFLIGHT.format(example)


def test_of_several_matches_the_one_with_the_mistake_is_shown() -> None:
    several = "[{path: {prefix: /a}}, {path: {prefix: /b}, methods: [GET]}]"
    (warning,) = warnings(route(several) + REST)
    assert (warning.line, warning.column) == (4, route(several).index("{path: {prefix: /b}") + 1)
    assert "OPTIONS /b" in warning.text


@pytest.mark.parametrize(
    ("match", "more", "refs", "rest"),
    [
        pytest.param("{methods: [GET, OPTIONS]}", "", "new", REST, id="it has OPTIONS"),
        pytest.param("{methods: [GET]}", ', cors: {allow_origins: ["https://a"]}', "new", REST, id="it has cors"),
        pytest.param("{methods: [POST]}", "", "new", REST, id="its GET goes elsewhere, too"),
        pytest.param("{methods: [GET]}", "", "legacy", REST, id="the same backend"),
        pytest.param("{methods: [GET]}", "", "new", "", id="no route takes it"),
        pytest.param("{methods: [GET]}", "", "new", "- {name: rest, direct_response: {status: 204}}\n", id="the facade responds"),
        pytest.param("{methods: [GET], headers: {x-a: b}}", "", "new", REST, id="a preflight has no such field"),
        pytest.param('{path: {regex: "/a.*"}, methods: [GET]}', "", "new", REST, id="a regex has no example"),
        pytest.param("{methods: [GET]}", "", "new", "- {name: rest, backend_refs: {legacy: 50, new: 50}}\n", id="the backends of the other route include its own"),
    ],
)  # fmt: skip
def test_no_warning_of_a_preflight(match: str, more: str, refs: str, rest: str) -> None:
    assert warnings(route(match, more, refs) + rest) == []


def test_a_canary_whose_preflights_stay_with_the_monolith() -> None:
    canary = "{legacy: 95, new: 5}"
    assert len(warnings(route("{methods: [GET]}", ", stage: canary", canary) + REST)) == 1


SHOP = "- {name: shop, match: {path: {prefix: /shop}}, backend_refs: legacy}\n"


@pytest.mark.parametrize(
    ("regex", "other", "expected"),
    [
        ("(?i)/shop/orders(/.*)?", SHOP, "`shop` takes /shop/orders and `r` takes /SHOP/ORDERS: a regex ranks behind it"),
        ("^(?i)/shop/[a-z]+$", SHOP, "`shop` takes /shop/x and `r` takes /SHOP/X: a regex ranks behind it"),
        ("(?i)/SHOP/ORDERS", SHOP, "`shop` takes /shop/orders and `r` takes /SHOP/ORDERS: a regex ranks behind it"),
        ("(?i)/shop", SHOP.replace("prefix: /shop", "exact: /Shop"), "`shop` takes /Shop and `r` takes /shop: a regex ranks behind it"),
    ],
)  # fmt: skip
def test_a_regex_that_ignores_case_beside_a_path_that_heeds_it(
    regex: str, other: str, expected: str
) -> None:
    (warning,) = warnings(route(f'{{path: {{regex: "{regex}"}}}}') + other)
    assert warning.text == expected
    assert "ignore_case: true" in warning.hint


@pytest.mark.parametrize(
    ("regex", "other"),
    [
        pytest.param("(?i)/shop/orders", "", id="alone"),
        pytest.param("/shop/(?i)orders", SHOP, id="a prefix takes what it takes in any spelling of the rest"),
        pytest.param("(?i)/store", SHOP, id="another path"),
        pytest.param("(?i)/shop", "- {name: two, match: {path: {regex: '/shop'}}, backend_refs: legacy}\n", id="another regex"),
        pytest.param("(?i)[/]shop", SHOP, id="without literal characters in front"),
    ],
)  # fmt: skip
def test_no_warning_of_case(regex: str, other: str) -> None:
    match = f'{{path: {{regex: "{regex}"}}}}'
    text = route(match, ", priority: 1" if regex.startswith("/") else "")
    assert warnings(text + other) == []


def test_what_is_found_is_kept_by_an_edit_that_changes_nothing_of_it_and_found_anew_by_others() -> (
    None
):
    text = HEAD + route("{path: {prefix: /a}, methods: [GET]}") + SHOP + REST
    before = load(text.encode(), "t")
    for old, new in (
        ("version: 1\n", "version: 1\nkill_switch: true\n"),
        ("new}", "new, timeouts: {request: 5s}}"),
        ("backend_refs: new", "backend_refs: legacy"),
        ("methods: [GET]}, ", "methods: [GET]}, cors: {allow_origins: ['https://a']}, "),
        ("[GET]", "[GET, OPTIONS]"),
        ("name: rest", "name: others"),
    ):
        edited = text.replace(old, new).encode()
        assert edited != text.encode()
        assert load(edited, "t", before).warnings == load(edited, "t").warnings


def test_the_warnings_are_bounded() -> None:
    many = "".join(
        route(f"{{path: {{prefix: /a{number}}}, methods: [GET]}}").replace("name: r", f"name: r{number}")
        for number in range(150)
    )  # fmt: skip
    assert len(warnings(many + REST)) == 100
