"""Values of a request in header edits, rewrites and redirects: `{client}`, `{path.id}`."""

# ruff: noqa: E501 -- a row of a table stays on one line

import jsonschema
import pytest
import yaml

from proxy.config.expand import expand
from proxy.config.loader import parse_table
from proxy.config.schema import json_schema
from proxy.model import HeaderEdits, QueryEdits, Redirect, RequestValue, Rewrite, ValueTemplate
from tests.unit.config.config_tables import (
    assert_problem,
    only_route,
    parse,
    with_route,
    without_places,
)

MATCH = 'match: {path: {template: "/t/{id}"}, query: {item: {present: true}}}'
KNOWN = "known: client, scheme, host, request_id, path.NAME, query.NAME, header.NAME"


def with_set(text: str, where: str = "request") -> str:
    return with_route(
        f"{MATCH}, backend_refs: legacy, {where}: {{headers: {{set: {{x: {text}}}}}}}"
    )


def with_rewrite(rewrite: str, match: str = MATCH) -> str:
    return with_route(f"{match}, backend_refs: [{{name: legacy, url_rewrite: {rewrite}}}]")


def with_redirect(redirect: str, match: str = MATCH) -> str:
    return with_route(f"{match}, redirect: {redirect}")


def value(kind: str, name: str = "") -> RequestValue:
    return RequestValue(kind, name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{client}", (value("client"),)),
        ("for={client};by={host}", (b"for=", value("client"), b";by=", value("host"))),
        ("{scheme}{request_id}", (value("scheme"), value("request_id"))),
        ("{path.id}", (value("path", "id"),)),
        ("{query.a-b [c]}", (value("query", "a-b [c]"),)),
        ("{header.X-User}", (value("header", "x-user"),)),
        ("{{client}} {client}", (b"{client} ", value("client"))),
        ("{{{client}}}", (b"{{client}}",)),
        ("a{client}b", (b"a", value("client"), b"b")),
    ],
)
def test_a_text_with_values(text: str, parts: ValueTemplate) -> None:
    edits = only_route(with_set(f'"{text}"')).request
    if any(isinstance(each, RequestValue) for each in parts):
        assert edits == HeaderEdits(set_values=((b"x", parts),))
    else:
        assert edits == HeaderEdits(((b"x", b"".join(map(bytes, parts))),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "{}", "{", "}", "{ client }", "{0}", "{1,3}", "a{b", "{{", "}}", "{,}",
        '{"group":"default","endpoints":[{"url":"https://a.example/r"}]}',
        '{"a":{"b":{}}}', '{"report_to":"default","max_age":31536000}',
    ],
)  # fmt: skip
def test_braces_that_hold_no_word_are_plain(text: str) -> None:
    written = text.replace('"', '\\"')
    edits = only_route(with_set(f'"{written}"')).request
    assert edits == HeaderEdits(((b"x", text.encode()),))
    assert not edits.reads_request


def test_braces_in_direct_responses_are_plain() -> None:
    text = with_route('direct_response: {status: 200, headers: {x: "{client}"}, body: "{client}"}')
    table, warnings = parse_table(text.encode())
    assert len(warnings) == 2
    direct = table.routes[0].direct_response
    assert direct is not None
    assert (direct.headers[0], direct.body) == ((b"x", b"{client}"), b"{client}")


def test_every_place_of_an_edit_may_have_values() -> None:
    edits = '{headers: {set: {a: "{client}"}, add: {b: "{host}", c: d}}}'
    route = only_route(
        with_route(
            f"request: {edits}, response: {edits}, backend_refs: [{{name: legacy, request: {edits}, response: {edits}}}]"
        )
    )
    expected = HeaderEdits(
        (), ((b"c", b"d"),), (), ((b"a", (value("client"),)),), ((b"b", (value("host"),)),)
    )
    (ref,) = route.backend_refs
    assert [route.request, route.response, ref.request, ref.response] == [expected] * 4


@pytest.mark.parametrize(
    ("written", "rewrite"),
    [
        (
            '{path: {template: "/i/{query.item}/{id}"}, query: {remove: [item]}}',
            Rewrite(template="/i/{query.item}/{id}", values=(("{query.item}", value("query", "item")),), query=QueryEdits(remove=("item",))),
        ),
        (
            '{query: {set: {a: "{path.id}", b: c}}}',
            Rewrite(query=QueryEdits((("a", (value("path", "id"),)), ("b", (b"c",))))),
        ),
        (
            '{path: {template: "/i/{client}/{path.id}"}}',
            Rewrite(template="/i/{client}/{path.id}", values=(("{client}", value("client")), ("{path.id}", value("path", "id")))),
        ),
    ],
)  # fmt: skip
def test_a_rewrite_with_values(written: str, rewrite: Rewrite) -> None:
    assert only_route(with_rewrite(written)).backend_refs[0].rewrite == rewrite


def test_a_redirect_with_values() -> None:
    route = only_route(with_redirect('{template: "/n/{id}/{query.item}", query: {remove: [item]}}'))
    assert route.redirect == Redirect(
        template="/n/{id}/{query.item}",
        values=(("{query.item}", value("query", "item")),),
        query=QueryEdits(remove=("item",)),
    )
    assert only_route(with_redirect("{query: {set: {a: b}}}")).redirect == Redirect(
        query=QueryEdits((("a", (b"b",)),))
    )


@pytest.mark.parametrize(
    ("marked", "problem"),
    [
        (with_set('«"{clinet}"'), "`{clinet}` is no value of a request — did you mean `client`?; write {{clinet}} for these characters"),
        (with_set('«"{zzzzzz}"'), f"`{{zzzzzz}}` is no value of a request — {KNOWN}; write {{{{zzzzzz}}}} for these characters"),
        (with_set('«"{client.x}"'), "`{client.x}` is no value of a request — did you mean `client`?; write {{client.x}} for these characters"),
        (with_set('«"{header}"'), "`{header}` has no name — write {header.NAME}"),
        (with_set('«"{query.}"'), "`{query.}` has no name — write {query.NAME}"),
        (with_set('«"{header.a b}"'), "`a b` is no header name — use letters, digits and -"),
        (with_set('«"{header.Host}"'), "`{header.host}` is the host of the client — write {host}"),
        (with_set('«"{header.cookie}"'), "`{header.cookie}` has all cookies of the client — leave it out: `cookies` of a backend says which it gets"),
        (with_set('«"{header.Content-Length}"'), "`{header.Content-Length}` belongs to the connection — leave it out"),
        (with_set(f'«"{"{client}" * 17}"'), "more than 16 values in one text — use fewer"),
        (with_set('«"{path.other}"'), "the route's match has no parameter `other` — known: `id`"),
        (with_set('«"{path.other}"', "response"), "the route's match has no parameter `other` — known: `id`"),
        (with_route('backend_refs: [{name: legacy, request: {headers: {add: {x: «"{path.id}"}}}}]'), "the route's match has no parameter `id` — write `match: {path: {template: …}}`"),
        (with_set('«"{header.x_user}"'), "the header `x_user` does not pass, and its value may be anybody's — use another, or add it to `defaults.forwarded.allow_headers`"),
        (with_set('«"{header.X-Real-IP}"'), "the header `x-real-ip` does not pass, and its value may be anybody's — use another, or add it to `defaults.forwarded.allow_headers`"),
        (with_rewrite('{path: {template: «"/i/{other}"}}'), "the route's match has no parameter `other` — known: `id`"),
        (with_rewrite('{path: {template: «"/i/{path.other}"}}'), "the route's match has no parameter `other` — known: `id`"),
        (with_rewrite('{path: {template: «"/i/{request}"}}'), "the route's match has no parameter `request` — known: `id`"),
        (with_rewrite('{path: {template: «"/i/{quary.item}"}}'), "`{quary.item}` is no value of a request — did you mean `query`?; write {{quary.item}} for these characters"),
        (with_rewrite('{path: {template: «"/i/x{query.item}"}}'), "`x{query.item}` is no parameter — write a whole segment as {name}, of letters, digits and _"),
        (with_rewrite('{path: {template: «"/i/{{id}}"}}'), "`{{id}}` is no parameter — write a whole segment as {name}, of letters, digits and _"),
        (with_rewrite('{path: {template: «"/i/{query.other}"}}'), "a request without the query parameter `other` gets a 400 — write `match: {query: {other: {present: true}}}`"),
        (with_rewrite('{query: {set: {a: «"{path.other}"}}}'), "the route's match has no parameter `other` — known: `id`"),
        (with_rewrite("{query: «{}}"), "the query is not changed — write `set:` or `remove:`"),
        (with_rewrite("{query: {set: {a: b}, remove: [c, «a]}}"), "`a` is set, which removes what was sent — leave it out here"),
        (with_rewrite("{query: {set: {a: «1}}}"), '`1` is a number, and text is meant — write it in quotes: "1"'),
        (with_rewrite("«{}"), "the rewrite changes nothing — write `path`, `query` or `hostname`"),
        (with_redirect('{template: «"/n/{other}"}'), "the route's match has no parameter `other` — known: `id`"),
        (with_redirect('{path: /n, «template: "/n/{id}"}'), "`template` stands beside `path` — keep one of the two"),
        (with_redirect('{path: «"/n/{id}"}'), "the path `/n/{id}` holds braces — write `template:` for a path with {parameters}"),
        (with_redirect('{template: «"/n/{query.absent}"}', "match: {query: {absent: {present: false}}}"), "a request without the query parameter `absent` gets a 400 — write `match: {query: {absent: {present: true}}}`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_values_is_said_at_its_place(marked: str, problem: str) -> None:
    assert_problem(marked, problem)


SEVERAL = 'match: [{path: {template: "/a/{id}"}}, {path: {template: "/b/{x}/{id}"}}]'


def test_every_match_of_a_route_has_the_parameters() -> None:
    edits = 'request: {headers: {set: {x: «"{path.x}"}}}'
    assert_problem(
        with_route(f"{SEVERAL}, backend_refs: legacy, {edits}"),
        "match 1 has no parameter `x` — known: `id`",
    )
    assert_problem(
        with_redirect('{template: «"/n/{x}"}', SEVERAL),
        "match 1 has no parameter `x` — known: `id`",
    )
    assert_problem(
        with_redirect('{template: «"/n/{id}/**"}', SEVERAL),
        'match 1 has no tail for `/**` — write `match: {path: {template: "/…/**"}}`, or leave /** out',
    )
    parse(with_redirect('{template: "/n/{id}"}', SEVERAL))
    parse(with_redirect('{template: "/n/{id}/**"}', 'match: {path: {template: "/a/{id}/**"}}'))


def test_the_hint_of_a_path_with_parameters_leads_to_a_key_that_exists() -> None:
    assert parse(with_redirect('{template: "/n/{id}"}')).routes[0].redirect is not None


def test_a_header_that_is_allowed_may_be_read() -> None:
    allowed = "defaults: {forwarded: {allow_headers: [x-real-ip]}}\n"
    assert parse(with_set('"{header.x-real-ip}"') + allowed).routes[0].request.reads_request


EVERY_PART = with_route(
    f"{MATCH}, request: {{headers: {{set: {{x: '{{client}} {{{{x}}}}'}}, add: {{z: '{{path.id}}'}}}}}}, "
    "backend_refs: [{name: legacy, url_rewrite: {path: {template: '/i/{query.item}/{id}'}, "
    "query: {set: {a: '{host}'}, remove: [item]}}}]"
)


def test_the_long_form_is_the_same_table() -> None:
    long = expand(EVERY_PART.encode())
    assert without_places(parse(long)).routes == without_places(parse(EVERY_PART)).routes
    assert "x: '{client} {{x}}'" in long or 'x: "{client} {{x}}"' in long


def test_the_schema_knows_values() -> None:
    jsonschema.validate(yaml.safe_load(EVERY_PART), json_schema())
