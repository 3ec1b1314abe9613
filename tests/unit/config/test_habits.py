"""The syntax of other proxies is pointed out, with what to write instead."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.config.loader import parse_table
from tests.unit.config.config_tables import (
    HEAD,
    ONE_ROUTE,
    assert_problem,
    parse,
    with_backend,
    with_match,
    with_route,
)

VARIABLE = "is no variable here: it is sent as it is written — write a value in braces, such as {client}, or the value itself"
TEXT = "is plain text here: it is sent as it is written — write the value itself"
PLAIN = "is no variable here: it is sent as it is written — write the value itself"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ('prefix: «"/api/*"', "`*` is a plain character in the path `/api/*` — write /api: a prefix takes everything below it by itself"),
        ('prefix: «"/*"', "`*` is a plain character in the path `/*` — write /: a prefix takes everything below it by itself"),
        ('prefix: «"/a/*/b"', "`*` is a plain character in the path `/a/*/b` — write `template:` with {name} for one segment"),
        ('exact: «"/api/*"', "`*` is a plain character in the path `/api/*` — write `prefix: /api` for everything below it"),
        ('template: «"/{a}/*"', "`*` is a plain character in the path `/{a}/*` — write {name}"),
        ('prefix: «"/$version/api"', "`$version` is no variable here: it matches as it is written — write the path itself"),
        ('prefix: «"/${VERSION}/api"', "`${VERSION}` in the path `/${VERSION}/api`: variables are not read — write the path itself"),
        ('exact: «"$uri"', "`$uri` in the path `$uri`: variables are not read — write the path itself"),
        ('exact: «"%PATH%/x"', "`%PATH%` in the path `%PATH%/x`: variables are not read — write the path itself"),
        ('regex: «"\\\\.php$"', "no path matches `\\.php$`: the whole path has to match, and it begins with / — begin it with / or with .*"),
        ('regex: «"php"', "no path matches `php`: the whole path has to match, and it begins with / — begin it with / or with .*"),
        ('regex: «"^/api/"', "`^/api/` has to match the whole path, not its beginning — write /api/.* for paths that begin so, or /api/"),
    ],
)  # fmt: skip
def test_a_path(path: str, expected: str) -> None:
    assert_problem(with_match(f"path: {{{path}}}"), expected)
    if path.startswith(("prefix", "regex")):
        marked = with_match(f"not: {{path: {{{path}}}}}")
        assert_problem(marked, expected)


@pytest.mark.parametrize(
    "path",
    [
        'template: "/a/{b}/**"',
        *(f'regex: "{each}"' for each in ("/a.*", "^/a$", "^/a/(b|c)", "(?i)/a", "[/]a", ".*[.]php", "^(/a)?/b.*")),
    ],
)  # fmt: skip
def test_a_path_in_which_the_signs_have_a_meaning(path: str) -> None:
    parse(with_match(f"path: {{{path}}}"))


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ('methods: [«"*"]', "`*` is the name of a method here, and no client sends it — leave `methods` out: then every method matches"),
        ("methods: [GET, «ANY]", "`ANY` is the name of a method here, and no client sends it — leave `methods` out: then every method matches"),
        ('headers: {x-a: {exact: «"*"}}', "`*` is a plain character, not any value — write {present: true}"),
        ('query: {v: {exact: «"$arg_v"}}', "`$arg_v` is no variable here: it matches as it is written — write the value itself"),
        ('cookies: {v: {prefix: «"%USER%-"}}', "`%USER%` is no variable here: it matches as it is written — write the value itself"),
        ('hosts: [«"${HOST}"]', "`${HOST}` is no host name: variables are not read — write the name itself"),
        ('hosts: [«"*.$domain"]', "`*.$domain` is no host name: variables are not read — write the name itself"),
        ('hosts: [«"%HOST%"]', "`%HOST%` is no host name: variables are not read — write the name itself"),
        ('hosts: [«"~^www[.]a$"]', "`~^www[.]a$` is no host name: variables are not read — write the name itself"),
        ('hosts: [«"~^www[0-9]"]', "`~^www[0-9]` is no host name: expressions are not read — write names, or *.example.com for all below one"),
    ],
)  # fmt: skip
def test_a_match(match: str, expected: str) -> None:
    assert_problem(with_match(match), expected)


@pytest.mark.parametrize("match", ['headers: {accept: "*/*"}', 'headers: {x-a: {regex: "a$"}}', 'query: {q: "100%"}'])  # fmt: skip
def test_a_match_with_these_signs_in_other_places(match: str) -> None:
    parse(with_match(match))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('backend_refs: legacy, request: {headers: {set: {x-real-ip: «"$remote_addr"}}}', f"`$remote_addr` {VARIABLE}"),
        ('backend_refs: legacy, response: {headers: {add: {x-a: «"by %DOWNSTREAM_REMOTE_ADDRESS%"}}}', f"`%DOWNSTREAM_REMOTE_ADDRESS%` {VARIABLE}"),
        ('backend_refs: [{name: legacy, request: {headers: {set: {x-a: «"%REQ(X-B)%"}}}}]', f"`%REQ(X-B)%` {VARIABLE}"),
        ('backend_refs: [{name: legacy, response: {headers: {set: {x-a: «"${HOME}"}}}}]', f"`${{HOME}}` {VARIABLE}"),
        ('backend_refs: [{name: legacy, url_rewrite: {query: {set: {a: «"$arg_b"}}}}]', f"`$arg_b` {VARIABLE}"),
        ('redirect: {query: {set: {a: «"$arg_b"}}}', f"`$arg_b` {VARIABLE}"),
        ('direct_response: {status: 200, headers: {x-a: «"$host"}}', f"`$host` {PLAIN}"),
        ('direct_response: {status: 200, headers: {x-a: «"{request_id}"}}', f"`{{request_id}}` {TEXT}"),
        ('direct_response: {status: 200, body: «"for $remote_addr"}', f"`$remote_addr` {PLAIN}"),
        ('direct_response: {status: 200, body: «"no {path.id}"}', f"`{{path.id}}` {TEXT}"),
        ('backend_refs: legacy, errors: {502: {body: «"%RESPONSE_CODE%"}}', f"`%RESPONSE_CODE%` {PLAIN}"),
        ('backend_refs: legacy, errors: {5xx: {body: «"see $request_id"}}', f"`$request_id` {PLAIN}"),
        ('backend_refs: [{name: legacy, url_rewrite: {hostname: «"$host"}}]', "`$host` is no host name: variables are not read — write the name itself"),
        ('redirect: {hostname: «"%REQ(HOST)%"}', "`%REQ(HOST)%` is no host name: variables are not read — write the name itself"),
        ('redirect: {path: «"$request_uri"}', "`$request_uri` in the path `$request_uri`: variables are not read — write the path itself"),
        ('redirect: {path: «"/old$uri"}', "`$uri` is no variable here: it is sent as it is written — write the path"),
        ('redirect: {path: «"https://a.example/x"}', "`https://a.example/x` is a URL, and a path is meant — write the path alone"),
    ],
)  # fmt: skip
def test_a_variable(body: str, expected: str) -> None:
    assert_problem(with_route(body), expected)


def test_a_variable_in_the_bodies_of_all_routes() -> None:
    assert_problem(
        f'{HEAD}defaults: {{errors: {{404: {{body: «"$request_uri"}}}}}}\n{ONE_ROUTE}',
        f"`$request_uri` {PLAIN}",
    )


GROUP = "is no group of a regex here: it is sent as it is written"
STAR = "`*` is a plain character in the path"
PARAMETER = "write `template:` with {name}, a parameter of a template in the match"


@pytest.mark.parametrize(
    ("rewrite", "expected"),
    [
        ('replace_prefix_match: «"/x/$1"', f"`$1` {GROUP} — write /x: the rest of the path follows by itself"),
        ('replace_prefix_match: «"/$2"', f"`$2` {GROUP} — write /: the rest of the path follows by itself"),
        ('replace_prefix_match: «"/x/*"', f"{STAR} `/x/*` — write /x: the rest of the path follows by itself"),
        ('replace_full_path: «"/x/${1}"', "`${1}` in the path `/x/${1}`: variables are not read — write the path itself"),
        ('replace_full_path: «"/x/$1"', f"`$1` {GROUP} — {PARAMETER}"),
        ('replace_full_path: «"/x/*"', f"{STAR} `/x/*` — {PARAMETER}"),
        ('replace_full_path: «"/x/\\\\1"', "`\\1` in the path `/x/\\1`: an expression has no groups here — write {name} in the `template` of the match, and here"),
        ('template: «"/x/$1/**"', f"`$1` {GROUP} — {PARAMETER}"),
        ('template: «"/x/$id/**"', "`$id` is no variable here: it is sent as it is written — write {name}, a parameter of the match"),
    ],
)  # fmt: skip
def test_a_rewrite(rewrite: str, expected: str) -> None:
    match = "match: {path: {prefix: /x}}"
    assert_problem(
        with_route(
            f"{match}, backend_refs: [{{name: legacy, url_rewrite: {{path: {{{rewrite}}}}}}}]"
        ),
        expected,
    )
    redirect = rewrite.replace("replace_full_path", "path")
    assert_problem(with_route(f"{match}, redirect: {{{redirect}}}"), expected)


@pytest.mark.parametrize("value", ["100%", "US$ 5", "$1", "50% of 100%", "a%20b%20c"])
def test_other_signs_are_none(value: str) -> None:
    parse(with_route(f'backend_refs: legacy, request: {{headers: {{set: {{x-a: "{value}"}}}}}}'))


@pytest.mark.parametrize(
    "body", ["$(document).ready(f)", "${name} {name}", "a{b:c}", "width: 50%; 60%", '{"host": 1}', "${path.id}"]
)  # fmt: skip
def test_the_code_of_a_page_is_none(body: str) -> None:
    written = body.replace('"', '\\"')
    parse(with_route(f'direct_response: {{status: 200, body: "{written}"}}'))
    parse(with_route(f'backend_refs: legacy, errors: {{5xx: {{body: "{written}"}}}}'))
    parse(with_route("backend_refs: legacy, errors: {5xx: {file: away.html}}"))


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


UNDERSCORE = "the header `x_user` has an underscore: such headers do not pass — write x-user, or add it to `defaults.forwarded.allow_headers`"
ANYBODY = "does not pass: any client may write it — use another, or add it to `defaults.forwarded.allow_headers`"
CONNECTION = "belongs to the connection: it does not pass — leave it out"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x_user", UNDERSCORE),
        ("x-real-ip", f"the header `x-real-ip` {ANYBODY}"),
        ("proxy-authorization", f"the header `proxy-authorization` {ANYBODY}"),
        ("te", f"the header `te` {CONNECTION}"),
        ("keep-alive", f"the header `keep-alive` {CONNECTION}"),
    ],
)
def test_a_header_field_that_does_not_pass(name: str, expected: str) -> None:
    assert_problem(with_match(f"headers: {{«{name}: a}}"), expected)
    assert_problem(with_match(f"path: {{prefix: /}}, not: {{headers: {{«{name}: a}}}}"), expected)
    assert_problem(with_backend(f"url: http://a, headers: {{allow: [accept, «{name}]}}"), expected)
    cors = f'cors: {{allow_origins: ["https://a.example"], allow_headers: [«{name}]}}'
    assert_problem(with_route(f"backend_refs: legacy, {cors}"), expected)


@pytest.mark.parametrize("name", ["x_user", "x-real-ip"])
def test_a_header_field_that_is_allowed_to_pass(name: str) -> None:
    allowed = f"defaults: {{forwarded: {{allow_headers: [{name}]}}}}\n"
    parse(with_match(f"headers: {{{name}: a}}") + allowed)
    parse(with_backend(f"url: http://a, headers: {{allow: [{name}]}}") + allowed)


@pytest.mark.parametrize("name", ["upgrade", "connection", "x-forwarded-for", "forwarded", "accept"])  # fmt: skip
def test_a_header_field_that_may_be_matched(name: str) -> None:
    parse(with_match(f"headers: {{{name}: a}}"))


def test_a_field_of_the_connection_that_is_to_pass() -> None:
    assert_problem(
        f"{HEAD}defaults: {{forwarded: {{allow_headers: [x_a, «te]}}}}\n{ONE_ROUTE}",
        "the header `te` belongs to the connection: it never passes — leave it out",
    )


def test_a_text_with_several_habits_has_a_warning_for_each() -> None:
    _, warnings = parse_table(
        with_route(
            'match: {path: {prefix: /x}}, redirect: {replace_prefix_match: "/*/$1/$uri"}'
        ).encode()
    )
    assert len(warnings) == 3
