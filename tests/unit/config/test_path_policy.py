"""`path_policy` in the defaults and in routes, `path_parameters` of backends."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest
import yaml

from proxy.config.expand import expand
from proxy.config.loader import parse_table
from proxy.model import STRICT_PATHS, PathPolicy
from tests.unit.config.config_tables import (
    HEAD,
    assert_problem,
    parse,
    with_backend,
    with_route,
    without_places,
)


def with_policy(own: str, defaults: str = "{}") -> str:
    route = with_route(f"backend_refs: legacy, path_policy: {own}")
    return f"{route}defaults: {{path_policy: {defaults}}}\n"


@pytest.mark.parametrize(
    ("own", "defaults", "policy"),
    [
        ("{}", "{}", STRICT_PATHS),
        ("{}", "{double_slash: merge}", PathPolicy(double_slash="merge")),
        ("{double_slash: keep}", "{double_slash: merge, backslash: keep}", PathPolicy("keep", backslash="keep")),
        ("{double_slash: refuse}", "{double_slash: merge, raw_bytes: keep}", PathPolicy(raw_bytes="keep")),
        ("{encoded_slash: keep, raw_bytes: refuse}", "{}", PathPolicy(encoded_slash="keep")),
    ],
)  # fmt: skip
def test_a_value_of_the_route_goes_before_that_of_the_defaults(
    own: str, defaults: str, policy: PathPolicy
) -> None:
    text = with_policy(own, defaults)
    assert parse(text).routes[0].path_policy == policy
    long = expand(text.encode())
    assert without_places(parse_table(long.encode())[0]) == without_places(parse(text))


def test_routes_without_a_policy_share_that_of_the_defaults() -> None:
    routes = "routes: [{name: a, match: {path: {prefix: /a}}, backend_refs: legacy}, {name: b, backend_refs: legacy}]"
    table = parse(f"{HEAD}{routes}\ndefaults: {{path_policy: {{double_slash: merge}}}}\n")
    assert table.routes[0].path_policy is table.routes[1].path_policy


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("{double_slash: «marge}", "`marge` is no path policy — did you mean `merge`?"),
        ("{encoded_slash: «merge}", "`merge` is no path policy — known: `refuse`, `keep`"),
        ("{backslash: «true}", '`true` is a boolean, and text is meant — write it in quotes: "true"'),
        ("{raw_bytes: «[keep]}", "a list stands where text is meant — write one text"),
        ("{«slash: keep}", "unknown key `slash` in `path_policy` — did you mean `backslash`?"),
        ("«keep", "`keep` stands where keys are meant — write keys like `double_slash`, `encoded_slash`, `backslash`, `raw_bytes`"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_meant_is_an_error(own: str, said: str) -> None:
    assert_problem(with_policy(own), said)


@pytest.mark.parametrize(
    ("refs", "own", "stripped"),
    [
        pytest.param(("legacy",), {}, set(), id="alone"),
        pytest.param(("{legacy: 80, new: 20}",), {}, {"new"}, id="the newcomer"),
        pytest.param(("{legacy: 80, new: 20}", "{new: 50, third: 50}"), {}, {"third"}, id="not one that is an incumbent"),
        pytest.param(("{legacy: 50, new: 30, third: 20}",), {}, {"new", "third"}, id="all behind the first"),
        pytest.param(("{legacy: 80, new: 20}",), {"new": "keep"}, set(), id="as it is written"),
        pytest.param(("legacy", "new"), {"new": "strip"}, {"new"}, id="as it is written for one alone"),
        pytest.param(("{legacy: 80, new: 20}",), {"legacy": "strip"}, {"legacy", "new"}, id="for an incumbent"),
    ],
)  # fmt: skip
def test_parameters_are_stripped_for(
    refs: tuple[str, ...], own: dict[str, str], stripped: set[str]
) -> None:
    backends = {
        name: {"url": f"http://{name}:80"} | ({"path_parameters": own[name]} if name in own else {})
        for name in ("legacy", "new", "third")
    }
    routes = [
        {
            "name": f"r{at}",
            "match": {"path": {"prefix": f"/{at}"}},
            "backend_refs": yaml.safe_load(ref),
        }
        for at, ref in enumerate(refs)
    ]
    text = yaml.safe_dump({"version": 1, "backends": backends, "routes": routes})
    assert parse(text).without_parameters == stripped
    long = yaml.safe_load(expand(text.encode()))["backends"]
    assert {name for name in long if long[name]["path_parameters"] == "strip"} == stripped


def test_parameters_are_stripped_or_kept() -> None:
    text = with_backend('url: "http://a", path_parameters: «drop')
    assert_problem(text, "`drop` is no policy for parameters — known: `strip`, `keep`")
