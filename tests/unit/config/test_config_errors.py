"""`errors` in the defaults and in routes: bodies of error responses."""

# ruff: noqa: E501 -- a row of a table stays on one line

import jsonschema
import pytest
import yaml

from proxy.config.expand import expand
from proxy.config.loader import parse_table
from proxy.config.schema import json_schema
from proxy.model import ErrorBodies, ErrorBody, ErrorFile
from tests.unit.config.config_tables import (
    HEAD,
    assert_problem,
    only_route,
    parse,
    with_route,
    without_places,
)

TEXT = b"text/plain; charset=utf-8"
HTML = b"text/html; charset=utf-8"


def with_errors(errors: str, defaults: str = "{}") -> str:
    return (
        f"{with_route(f'backend_refs: legacy, errors: {errors}')}defaults: {{errors: {defaults}}}\n"
    )


def texts(bodies: ErrorBodies) -> dict[str, str]:
    return {status: each.body.decode() for status, each in bodies}


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ('{body: ""}', ErrorBody()),
        ('{body: "", content_type: text/css}', ErrorBody(b"text/css")),
        ("{body: gone}", ErrorBody(TEXT, b"gone")),
        ('{body: "<p>é", content_type: text/html; charset=utf-8}', ErrorBody(HTML, "<p>é".encode())),
        ('{body: "{}", content_type: "application/x; a=\\"b c\\""}', ErrorBody(b'application/x; a="b c"', b"{}")),
        ("{file: a.html}", ErrorBody(HTML, file="a.html")),
        ("{file: errors/a.HTM}", ErrorBody(HTML, file="errors/a.HTM")),
        ("{file: a.json}", ErrorBody(b"application/json", file="a.json")),
        ("{file: /etc/a.txt}", ErrorBody(TEXT, file="/etc/a.txt")),
        ("{file: a.svg, content_type: image/svg+xml}", ErrorBody(b"image/svg+xml", file="a.svg")),
    ],
)  # fmt: skip
def test_a_body_is_text_or_a_file_with_its_type(written: str, body: ErrorBody) -> None:
    assert only_route(with_errors(f"{{502: {written}}}")).errors == (("502", body),)


@pytest.mark.parametrize(
    ("own", "defaults", "both"),
    [
        ("{}", "{404: {body: a}}", {"404": "a"}),
        ("{502: {body: b}}", "{404: {body: a}}", {"404": "a", "502": "b"}),
        ("{404: {body: b}}", "{404: {body: a}}", {"404": "b"}),
        ("{4xx: {body: b}}", "{404: {body: a}, 502: {body: c}}", {"502": "c", "4xx": "b"}),
        ("{404: {body: b}}", "{4xx: {body: a}}", {"4xx": "a", "404": "b"}),
    ],
)
def test_those_of_a_route_replace_those_of_the_defaults(
    own: str, defaults: str, both: dict[str, str]
) -> None:
    table = parse(with_errors(own, defaults))
    assert texts(table.routes[0].errors) == both
    assert texts(table.errors) == texts(parse(with_errors("{}", defaults)).errors)


def test_each_file_is_listed_once_with_its_first_place() -> None:
    table = parse(
        with_errors("{502: {file: b.txt}, 503: {file: a.txt}}", "{404: {file: a.txt}}")
        + "x-unused: {404: {file: c.txt}}\n"
    )
    assert table.error_files == (ErrorFile("a.txt", 6, 33), ErrorFile("b.txt", 5, 56))


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ("{«3xx: {body: a}}", "`3xx` is no status of an error — write a status from 400 to 599, or a class: 4xx, 5xx"),
        ("{«200: {body: a}}", "`200` is no status of an error — write a status from 400 to 599, or a class: 4xx, 5xx"),
        ("{«600: {body: a}}", 'the key `600` is no text — write "600" in quotes'),
        ("{502: {body: a}, «502: {body: b}}", "the key `502` is given twice, first at 5:44 — keep one of the two"),
        ("{502: «a}", "`a` stands where keys are meant — write keys like `body`, `file`, `content_type`"),
        ("{502: «{}}", "the body of an error is empty — write one of `body`, `file`"),
        ("{502: {body: a, «file: b.txt}}", "`file` stands beside `body` — the body of an error has one of them"),
        ("{502: {file: «a.png}}", "the type of `a.png` does not follow from its name — add `content_type:`; known suffixes are .html, .htm, .json, .txt"),
        ("{502: {file: «a/}}", "`a/` is a folder — write the path of a file"),
        ("{502: {body: a, content_type: «html}}", "`html` is no content type — write one like text/html; charset=utf-8"),
        ('{502: {body: a, content_type: «"a/b\\r\\nx: y"}}', "a control character stands in this text — take it out"),
        ("{502: {body: a, «status: 200}}", "unknown key `status` in `502` — known: `body`, `file`, `content_type`"),
        ("{«500: {body: a}}", "the facade itself sends no 500, and responses of backends are not changed — leave it out: the facade sends 400, 404, 408, 413, 414, 417, 431, 501, 502, 503, 504, 505"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_a_problem(errors: str, said: str) -> None:
    assert_problem(with_errors(errors), said)


def test_a_status_that_is_never_sent_is_a_warning_in_the_defaults_too() -> None:
    text = with_errors("{}", "{«500: {body: a}, 5xx: {body: b}}")
    assert_problem(
        text,
        "the facade itself sends no 500, and responses of backends are not changed — leave it out: "
        "the facade sends 400, 404, 408, 413, 414, 417, 431, 501, 502, 503, 504, 505",
    )


def test_the_long_form_has_all_bodies_of_a_route_and_reads_back() -> None:
    text = with_errors('{502: {body: ""}, 5xx: {body: b}}', "{404: {file: a.html}}")
    long = expand(text.encode())
    routes = yaml.safe_load(long)["routes"]
    assert routes[0]["errors"] == {
        "404": {"file": "a.html", "content_type": HTML.decode()},
        "502": {"body": ""},
        "5xx": {"body": "b", "content_type": TEXT.decode()},
    }
    table = without_places(parse_table(text.encode())[0])
    assert without_places(parse_table(long.encode())[0]) == table


@pytest.mark.parametrize(
    ("key", "valid"), [("502", True), ("4xx", True), ("3xx", False), ("5x", False), ("0502", False)]
)
def test_the_schema_knows_the_statuses(key: str, valid: bool) -> None:
    table = yaml.safe_load(HEAD) | {
        "routes": [{"name": "r", "backend_refs": "legacy", "errors": {key: {"body": "a"}}}]
    }
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(table) == valid
