"""The syntax of other proxies is pointed out, with what to write instead."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from tests.unit.config.config_tables import (
    assert_problem,
    parse,
    with_backend,
    with_match,
    with_route,
)

VARIABLE = "is no variable here: it is sent as it is written — write a value in braces, such as {client}, or the value itself"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ('prefix: «"/api/*"', "`*` is a plain character in the path `/api/*` — warn write /api: a prefix takes everything below it by itself"),
        ('prefix: «"/*"', "`*` is a plain character in the path `/*` — warn write /: a prefix takes everything below it by itself"),
        ('prefix: «"/a/*/b"', "`*` is a plain character in the path `/a/*/b` — warn write `template:` with {name} for one segment"),
        ('exact: «"/api/*"', "`*` is a plain character in the path `/api/*` — warn write `prefix: /api` for everything below it"),
        ('template: «"/{a}/*"', "`*` is a plain character in the path `/{a}/*` — warn write {name}"),
    ],
)  # fmt: skip
def test_an_asterisk_in_a_path(path: str, said: str) -> None:
    assert_problem(with_match(f"path: {{{path}}}"), said.replace("— warn ", "— "))


@pytest.mark.parametrize("path", ["{template: /a/{b}/**}", '{regex: "/a.*"}'])
def test_an_asterisk_with_a_meaning_is_none(path: str) -> None:
    parse(with_match(f"path: {path}".replace("/a/{b}/**", '"/a/{b}/**"')))


@pytest.mark.parametrize(
    ("body", "variable"),
    [
        ('backend_refs: legacy, request: {headers: {set: {x-real-ip: «"$remote_addr"}}}', "$remote_addr"),
        ('backend_refs: legacy, response: {headers: {add: {x-a: «"by %DOWNSTREAM_REMOTE_ADDRESS%"}}}', "%DOWNSTREAM_REMOTE_ADDRESS%"),
        ('backend_refs: [{name: legacy, request: {headers: {set: {x-a: «"%REQ(X-B)%"}}}}]', "%REQ(X-B)%"),
        ('backend_refs: [{name: legacy, response: {headers: {set: {x-a: «"${HOME}"}}}}]', "${HOME}"),
        ('direct_response: {status: 200, headers: {x-a: «"$host"}}', "$host"),
    ],
)  # fmt: skip
def test_a_variable_in_a_header_value(body: str, variable: str) -> None:
    assert_problem(with_route(body), f"`{variable}` {VARIABLE}")


@pytest.mark.parametrize("value", ["100%", "US$ 5", "$1", "50% of 100%", "a%20b%20c"])
def test_other_signs_are_none(value: str) -> None:
    parse(with_route(f'backend_refs: legacy, request: {{headers: {{set: {{x-a: "{value}"}}}}}}'))


def test_a_wildcard_host_without_quotes() -> None:
    assert_problem(
        with_match("hosts: [*«.example.com]"),
        'YAML reads a value that starts with `*` or `&` as an alias or an anchor — put it in quotes: "*.example.com"',
    )


def test_a_variable_in_a_url() -> None:
    assert_problem(
        with_backend('url: «"${LEGACY_URL}"'),
        "`${LEGACY_URL}` is no URL: variables are not read — write http://host:8080, and another address at the start: `facade serve --backend NAME=URL`",
    )
