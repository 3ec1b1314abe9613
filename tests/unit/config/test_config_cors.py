"""`cors` of a route."""

# ruff: noqa: E501 -- a row of a table stays on one line

import jsonschema
import pytest
import yaml

from proxy.config.expand import expand
from proxy.config.schema import json_schema
from proxy.model import Cors
from tests.unit.config.config_tables import assert_problem, only_route, parse, with_route

EVERY_PART = (
    "{allow_origins: [HTTPS://A.example:443, https://*.b.example:8443], allow_methods: [PUT], "
    "allow_headers: [X-A], expose_headers: [ETag], allow_credentials: true, max_age: 10m, preflight: forward}"
)


def with_cors(cors: str, more: str = "") -> str:
    return with_route(f"backend_refs: legacy, cors: {cors}{more}")


@pytest.mark.parametrize(
    ("written", "cors"),
    [
        ('{allow_origins: ["*"]}', Cors(("*",), ("GET", "HEAD", "POST"))),
        (
            EVERY_PART,
            Cors(("https://a.example", "https://*.b.example:8443"), ("PUT",), ("x-a",), ("etag",), 600, True, True),
        ),
        (
            '{allow_origins: ["http://[::1]:3000"], allow_methods: ["*"], allow_headers: ["*", authorization]}',
            Cors(("http://[::1]:3000",), ("*",), ("*", "authorization")),
        ),
        ("{allow_origins: [capacitor://localhost], max_age: 0s}", Cors(("capacitor://localhost",), ("GET", "HEAD", "POST"), max_age_s=0)),
    ],
)  # fmt: skip
def test_a_policy(written: str, cors: Cors) -> None:
    assert only_route(with_cors(written)).cors == cors


def test_a_route_without_a_policy_has_none() -> None:
    assert only_route(with_route("backend_refs: legacy")).cors is None


@pytest.mark.parametrize(
    ("marked", "problem"),
    [
        (with_cors("«{}"), "`allow_origins` is missing — add `allow_origins:`"),
        (with_cors("{allow_origins: «[]}"), "the list is empty — write at least one item"),
        (with_cors('{allow_origins: «"*"}'), "`*` stands where a list is meant — write [\"*\"]"),
        (with_cors("{allow_origins: [«a.example]}"), "`a.example` is no origin — write https://www.example.com"),
        (with_cors('{allow_origins: [«"null"]}'), "`null` is no origin that can be trusted — leave it out: every sandboxed page and local file has this origin"),
        (with_cors("{allow_origins: [«https://a.example/x]}"), "`https://a.example/x`: an origin ends after host and port — write https://a.example"),
        (with_cors("{allow_origins: [«https://a.example/]}"), "`https://a.example/`: an origin ends after host and port — write https://a.example"),
        (with_cors('{allow_origins: [«"https://*"]}'), "`https://*` has no domain — write https://*.example.com, or * for all origins"),
        (with_cors('{allow_origins: [«"https://a*.example"]}'), "`a*.example`: `*` stands for whole labels in front — write *.example.com"),
        (with_cors("{allow_origins: [«https://a.example:0]}"), "`https://a.example:0` has no valid port — write a port from 1 to 65535"),
        (with_cors('{allow_origins: [«"https://é.example"]}'), "`é.example` is not ASCII — write xn--9ca.example"),
        (with_cors("{allow_origins: «[https://a.example, https://a.example]}"), "`https://a.example` is listed twice — keep one of the two"),
        (with_cors('{allow_origins: [https://a.example, «"*"]}'), "`*` stands beside other values — keep one of the two"),
        (with_cors('{allow_origins: [«"*"], allow_credentials: true}'), "`*` stands beside `allow_credentials: true` — write the list: browsers refuse `*` with credentials"),
        (with_cors('{allow_origins: [https://a.example], allow_headers: [«"*"], allow_credentials: true}'), "`*` stands beside `allow_credentials: true` — write the list: browsers refuse `*` with credentials"),
        (with_cors('{allow_origins: ["*"], allow_methods: [GET, «"*"]}'), "`*` stands beside other values — keep one of the two"),
        (with_cors('{allow_origins: ["*"], allow_methods: [«"G T"]}'), "`G T` is no HTTP method — write a token like GET"),
        (with_cors('{allow_origins: ["*"], expose_headers: [«"a b"]}'), "`a b` is no header name — use letters, digits and -"),
        (with_cors('{allow_origins: ["*"], max_age: «600}'), "`600` is a duration without a unit — write 600s"),
        (with_cors('{allow_origins: ["*"], max_age: «2d}'), "`2d` is out of range — write 0s to 1d"),
        (with_cors('{allow_origins: ["*"], max_age: «1500ms}'), "the age is not in whole seconds — write one like 10m"),
        (with_cors('{allow_origins: ["*"], preflight: «pass}'), "`pass` is no policy for preflights — known: `respond`, `forward`"),
        (with_cors('{allow_origins: ["*"], «origins: []}'), "unknown key `origins` in `cors` — did you mean `allow_origins`?"),
        (with_cors('{allow_origins: ["*"]}', ', response: {headers: {set: {«Access-Control-Max-Age: "1"}}}'), "`Access-Control-Max-Age` stands beside `cors`, which writes it — leave it out"),
        (
            with_route('cors: {allow_origins: ["*"]}, backend_refs: [{name: legacy, response: {headers: {add: {«access-control-allow-origin: "*"}}}}]'),
            "`access-control-allow-origin` stands beside `cors`, which writes it — leave it out",
        ),
    ],
)  # fmt: skip
def test_a_policy_is_refused_at_its_place(marked: str, problem: str) -> None:
    assert_problem(marked, problem)


def test_edits_of_other_fields_and_removals_stand_beside_a_policy() -> None:
    edits = "{set: {x: a}, remove: [access-control-allow-origin]}"
    table = parse(with_cors('{allow_origins: ["*"]}', f", response: {{headers: {edits}}}"))
    assert table.routes[0].cors is not None


def test_the_long_form_is_the_same_table() -> None:
    table = with_cors(EVERY_PART)
    long = expand(table.encode())
    assert only_route(long).cors == only_route(table).cors
    written = yaml.safe_load(long)["routes"][0]["cors"]
    assert written["max_age"] == "10m"
    assert written["allow_methods"] == ["PUT"]


def test_the_schema_knows_a_policy() -> None:
    document = yaml.safe_load(with_cors(EVERY_PART))
    jsonschema.validate(document, json_schema())
    document["routes"][0]["cors"]["allow_origins"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema())
