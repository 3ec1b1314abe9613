"""A table as a whole: the example, its long form, its schema, its own tests."""

# ruff: noqa: E501 -- a row of a table stays on one line
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy.config.expand import expand
from proxy.config.loader import parse_table
from proxy.config.schema import json_schema
from proxy.errors import TableError
from proxy.model import (
    CookieRules,
    Explain,
    Forwarded,
    Listener,
    RouteTable,
)
from proxy.model.table_test import Expectation, Given, TableTest
from tests.unit.config.config_tables import (
    HEAD,
    ONE_ROUTE,
    assert_problem,
    only_route,
    parse,
    with_route,
    with_test,
    without_places,
)

EXAMPLE = Path(__file__).parents[1] / "data" / "every-part.yaml"

CANARY = """\
routes:
- {name: moving, stage: canary, backend_refs: {legacy: 90, new: 10}, match: {path: {prefix: /m}}}
- {name: split, backend_refs: {legacy: 50, new: 25, third: 25}, match: {path: {prefix: /s}}}
- name: rewritten
  stage: canary
  backend_refs: [{name: legacy, weight: 90}, {name: new, weight: 10, url_rewrite: {hostname: a}}]
  match: {path: {prefix: /w}}
- {name: gone, stage: retired, backend_refs: {legacy: 0, new: 100}, match: {path: {prefix: /g}}}
- {name: rest, backend_refs: legacy}
"""


def _example() -> RouteTable:
    return parse(EXAMPLE.read_text())


def test_the_example_has_every_part_and_no_problem() -> None:
    table = _example()
    assert [route.name for route in table.routes] == [
        "flightspecials-list",
        "flightspecials-header",
        "flightspecials-api",
        "beta-pages",
        "old-flight-feed",
        "old-home",
        "everything-else",
    ]
    assert [backend.name for backend in table.backends] == ["legacy", "flightspecials"]
    assert table.explain == Explain("x-facade-decision", ("127.0.0.0/8", "::1/128"))
    assert table.forwarded == Forwarded(("10.0.0.0/8",))
    assert table.listener == Listener(10.0, 75.0, 10_000, 2_000)
    assert (table.kill_switch, table.min_route_coverage, len(table.tests)) == (False, 100.0, 9)


@pytest.mark.parametrize("path", ["hostname: a", "path: {replace_full_path: /x}"])
def test_a_reverse_mapping_belongs_to_its_rewrite(path: str) -> None:
    reverse = "reverse: {prefix: /a, replace_prefix_match: /b}"
    route = only_route(
        with_route(f"backend_refs: [{{name: legacy, url_rewrite: {{{path}, {reverse}}}}}]")
    )
    rewrite = route.backend_refs[0].rewrite
    assert rewrite is not None
    assert rewrite.reverse == ("/a", "/b")


def test_a_reverse_mapping_to_itself_is_an_error() -> None:
    reverse = "reverse: {prefix: /a/, replace_prefix_match: «/a}"
    assert_problem(
        with_route(f"backend_refs: [{{name: legacy, url_rewrite: {{hostname: a, {reverse}}}}}]"),
        "`reverse` replaces a prefix by itself — write the prefix that clients know",
    )


TLS = """\
version: 1
listener: {head_timeout: 1500ms, max_connections: 5}
backends:
  legacy: {url: https://a, tls: {ca_file: ca.pem, cert_file: c.pem, server_name: b.example}}
routes: [{name: r, backend_refs: legacy, timeouts: {total: 3s}, limits: {min_body_rate: 0B}}]
"""


@pytest.mark.parametrize("text", [EXAMPLE.read_text(), HEAD + ONE_ROUTE, HEAD + CANARY, TLS])
def test_the_long_form_says_the_same_and_is_its_own_long_form(text: str) -> None:
    long = expand(text.encode())
    assert without_places(parse(long)) == without_places(parse(text))
    assert expand(long.encode()) == long


def test_the_long_form_writes_every_default() -> None:
    said: dict[str, Any] = yaml.safe_load(expand((HEAD + ONE_ROUTE).encode()))
    assert said["routes"][0]["backend_refs"][0]["weight"] == 100
    assert said["routes"][0]["timeouts"]["connect"] == "2s"
    assert said["routes"][0]["timeouts"]["total"] == "1h"
    assert said["routes"][0]["timeouts"]["body_idle"] == "30s"
    assert said["routes"][0]["limits"]["min_body_rate"] == "240B"
    assert said["listener"] == {
        "head_timeout": "10s",
        "idle_timeout": "75s",
        "max_connections": 10_000,
        "max_connections_per_client": 2_000,
    }
    assert said["defaults"]["limits"]["max_body_bytes"] == "50MiB"
    assert said["backends"]["legacy"]["circuit_breakers"]["max_connections"] == 1024


def test_the_long_form_has_no_anchors_and_nothing_of_the_free_keys() -> None:
    text = f"x-m: &m {{path: {{prefix: /a}}}}\n{with_route('backend_refs: legacy, match: *m')}"
    assert "x-m" not in expand(text.encode())


def test_the_long_form_quotes_what_would_be_read_as_something_else() -> None:
    text = with_route('backend_refs: legacy, match: {query: {"on": "010", "y": "1e3", z: "a b"}}')
    long = expand(text.encode())
    assert '"on":' in long
    assert 'exact: "1e3"' in long
    assert "exact: a b" in long


def test_a_table_with_problems_has_no_long_form() -> None:
    with pytest.raises(TableError):
        expand(b"version: 1\nroutes: []\n")


# --- the schema -------------------------------------------------------------------------------


def test_the_schema_is_one_and_takes_the_example_in_both_forms() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for text in (EXAMPLE.read_bytes(), expand(EXAMPLE.read_bytes()).encode()):
        assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nbackends: {a: 'http://a'}\nroutes: [{name: r, backend_refs: a}]",
        "version: 1\nx-free: [1]\nroutes: [{name: r, backend_refs: {a: 80, b: 20}}]",
        "version: 1\nroutes: [{name: r, backend_refs: [a]}]",
        "version: 1\nroutes: [{name: r, match: {headers: {a: '1'}}, backend_refs: a}]",
        "version: 1\ndefaults: {forwarded: {via: off}}\nroutes: [{name: r, backend_refs: a}]",
        "version: 1\ndefaults: {forwarded: {via: 'on'}}\nroutes: [{name: r, backend_refs: a}]",
    ],
)
def test_the_schema_takes_the_short_forms(text: str) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "routes: [{name: r, backend_refs: a}]",
        "version: 2\nroutes: [{name: r, backend_refs: a}]",
        "version: 1\nroutes: [{name: r, stage: canry, backend_refs: a}]",
        "version: 1\nroutes: [{name: r, backend_ref: a}]",
        "version: 1\nroutes: [{name: r, backend_refs: a, timeouts: {request: 5}}]",
        "version: 1\nroutes: [{name: r, backend_refs: a, timeouts: {request: 5 s}}]",
        "version: 1\nroutes: []",
    ],
)
def test_the_schema_refuses_what_is_no_table(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


def test_every_field_of_the_schema_has_a_description() -> None:
    schema = json_schema()
    blocks = [schema, *schema["$defs"].values()]
    for block in blocks:
        for name, field in block.get("properties", {}).items():
            assert field.get("description"), name


# --- tests in the table -----------------------------------------------------------------------


def test_a_test_becomes_its_noun() -> None:
    text = with_test(
        "given: {stage: canary, weights: {legacy: 90, new: 10}, kill_switch: false}, "
        "input: {method: POST, host: a.b, path: '/m?q=1', headers: {X-A: b}, cookies: {c: d}, client: 10.0.0.1, bucket: 4.99}, "
        "expect: {route: moving, backend: new, upstream_path: /m, upstream_host: a, reason: draw, mirrored_to: [legacy]}",
        CANARY,
    )
    (test,) = parse(text).tests
    assert test == TableTest(
        "t",
        "POST",
        "a.b",
        "/m?q=1",
        Expectation("moving", "new", "/m", "a", "draw", None, None, ("legacy",)),
        Given("canary", (("legacy", 9000), ("new", 1000)), False),
        (("x-a", "b"),),
        (("c", "d"),),
        "10.0.0.1",
        499,
        text.count("\n"),
        3,
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("input: {path: /a}, expect: {route: «rst}", "there is no route `rst` — did you mean `rest`?"),
        ("input: {path: /a}, expect: {backend: «legcay}", "there is no backend `legcay` — did you mean `legacy`?"),
        ("input: {path: /a}, expect: {mirrored_to: [«nwe]}", "there is no backend `nwe` — did you mean `new`?"),
        ("input: {path: /a}, given: {weights: {«nwe: 100}}, expect: {status: 404}", "there is no backend `nwe` — did you mean `new`?"),
        ("input: {path: /a}, given: {weights: «{new: 90}}, expect: {status: 404}", "the weights sum to 90 — make them sum to 100"),
        ("input: {path: /a}, given: {weights: {legacy: 90, «third: 10}}, expect: {route: moving}", "the route `moving` has no backend `third` — known: `legacy`, `new`"),
        ("input: {path: /a}, given: {stage: live, weights: «{legacy: 90, new: 10}}, expect: {route: moving}", "stage live does not go with these weights — see the table of stages"),
        ("input: {path: /a}, given: {stage: legacy, weights: «{legacy: 0, new: 100}}, expect: {route: moving}", "stage legacy does not go with these weights — see the table of stages"),
        ("input: {path: /a}, given: {«stage: live}, expect: {route: split}", "the route `split` has no stage — give `weights` instead"),
        ("input: {path: /a}, expect: {route: moving, «backend: new}", "`backend` depends on the stage or weights of `moving`, which may change — add `given: {stage: …, weights: {…}}`, so that no shift breaks the test"),
        ("input: {path: /a}, given: {stage: canary}, expect: {route: moving, «backend: new}", "`backend` depends on the stage or weights of `moving`, which may change — add `given: {stage: …, weights: {…}}`, so that no shift breaks the test"),
        ("input: {path: /a}, expect: {route: split, «reason: draw}", "`reason` depends on the stage or weights of `split`, which may change — add `given: {stage: …, weights: {…}}`, so that no shift breaks the test"),
        ("input: {path: /a}, expect: {route: moving, «mirrored_to: []}", "`mirrored_to` depends on the stage or weights of `moving`, which may change — add `given: {stage: …, weights: {…}}`, so that no shift breaks the test"),
        ("input: {path: /a}, expect: {route: rewritten, «upstream_host: a}", "`upstream_host` depends on the stage or weights of `rewritten`, which may change — add `given: {stage: …, weights: {…}}`, so that no shift breaks the test"),
        ("input: {path: /a}, expect: {route: gone, «status: 410}", "`status` depends on the stage or weights of `gone`, which may change — add `given: {stage: …, weights: {…}}`, so that no shift breaks the test"),
        ("input: {path: /a}, expect: {route: gone, «location: /}", "`location` depends on the stage or weights of `gone`, which may change — add `given: {stage: …, weights: {…}}`, so that no shift breaks the test"),
        ("input: {path: /a}, expect: «{}", "the test expects nothing — write `route:`, `backend:` or `status:`"),
        ("input: {path: a}, expect: {status: 404}".replace("path: a", "path: «a"), "`a` is no request target — write it as sent: /path%20x?query"),
        ("input: {path: /a, bucket: «100}, expect: {status: 404}", "`100` is no bucket — write 0 to 99.99"),
        ("input: {path: /a, bucket: «-1}, expect: {status: 404}", "`-1` is no bucket — write 0 to 100"),
        ("input: {path: /a, client: «nobody}, expect: {status: 404}", "`nobody` is no IP address — write 192.0.2.1 or 2001:db8::1"),
        ("input: «{}, expect: {status: 404}", "`path` is missing — add `path:`"),
        ("input: {path: /a}, «expects: {}, expect: {status: 404}", "unknown key `expects` — did you mean `expect`?"),
    ],
)  # fmt: skip
def test_a_test_that_cannot_hold_is_an_error(body: str, said: str) -> None:
    assert_problem(with_test(body, CANARY), said)


@pytest.mark.parametrize(
    "body",
    [
        "expect: {route: moving}",
        "expect: {route: moving, upstream_path: /m}",
        "expect: {backend: legacy}",
        "expect: {route: rest, backend: legacy, reason: only}",
        "given: {stage: live}, expect: {route: moving, backend: new}",
        "given: {stage: shadow}, expect: {route: moving, mirrored_to: [new]}",
        "given: {kill_switch: true}, expect: {route: moving, backend: legacy}",
        "given: {weights: {legacy: 1, new: 99}}, expect: {route: moving, backend: new}",
        "given: {weights: {legacy: 1, new: 9, third: 90}}, expect: {route: split, backend: new}",
        "given: {stage: shadow, weights: {legacy: 100, new: 0}}, expect: {route: moving, backend: legacy}",
        "given: {stage: retired, weights: {legacy: 0, new: 100}}, expect: {route: moving}",
        "given: {stage: retired}, expect: {route: gone, status: 410}",
        "expect: {status: 404}",
    ],
)
def test_a_test_that_no_shift_can_break_is_taken(body: str) -> None:
    assert len(parse(with_test(f"input: {{path: /a}}, {body}", CANARY)).tests) == 1


def test_two_tests_have_two_names() -> None:
    text = with_test("input: {path: /a}, expect: {route: all}")
    again = "- {name: «t, input: {path: /b}, expect: {route: all}}\n"
    assert_problem(text + again, "there is a test `t` already — give each its own name")


def test_tests_that_are_no_list_are_an_error() -> None:
    text = f"{HEAD}{ONE_ROUTE}tests: «{{}}\n"
    assert_problem(text, "a mapping stands where a list is meant — write `- name: …`")


def test_a_test_may_name_a_route_that_has_problems_of_its_own() -> None:
    routes = "routes: [{name: all, backend_refs: legacy, «path: /a}]\n"
    text = with_test("input: {path: /a}, expect: {route: all, backend: legacy}", routes)
    assert_problem(text, "unknown key `path` — write `match: {path: …}`")


def test_tests_without_sense_are_told_one_by_one() -> None:
    text = f"{HEAD}{ONE_ROUTE}tests:\n- «text\n"
    said = "`text` stands where keys are meant — write keys like `name`, `given`, `input`, `expect`"
    assert_problem(text, said)
    text = with_test("input: {path: /a}, expect: «[a]")
    said = (
        "a list stands where keys are meant — write keys like `route`, `backend`, `upstream_path`, "
        "`upstream_host`, `reason`, `status`"
    )
    assert_problem(text, said)


def test_the_table_and_its_warnings_come_together() -> None:
    text = with_route("backend_refs: legacy, match: {methods: [get]}")
    table, warnings = parse_table(text.encode())
    assert [warning.severity for warning in warnings] == ["warning"]
    assert table.routes[0].matches[0].methods == ("get",)


def test_no_backend_gets_an_affinity_cookie() -> None:
    """The facade sets it, whichever backend it is for."""
    text = (
        "version: 1\n"
        "backends:\n"
        "  a: {endpoints: [http://a, http://b], session_affinity: {cookie: node}}\n"
        "  b: {url: http://c, cookies: {allow: [x], remove: [z]}}\n"
        "routes: [{name: r, backend_refs: a}, {name: s, match: {path: {exact: /s}}, backend_refs: b}]\n"
    )
    sticky, other = parse(text).backends
    assert (sticky.affinity_cookie, other.affinity_cookie) == ("node", None)
    assert sticky.cookies == CookieRules(None, frozenset(("node",)))
    assert other.cookies == CookieRules(frozenset(("x",)), frozenset(("z", "node")))
