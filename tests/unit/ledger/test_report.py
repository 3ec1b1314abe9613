"""What is used, what is safe to delete, and what is too early to say."""

import pytest

from proxy.config.load import load
from proxy.errors import FacadeError
from proxy.ledger.known_endpoints import read_known
from proxy.ledger.ledger import Endpoint, LedgerFile, Use
from proxy.ledger.report import Known, monolith_of, report

TABLE = load(
    b"""\
version: 1
backends: {legacy: http://a, new: http://b}
routes:
  - {name: orders, stage: canary, match: {path: {prefix: /orders}}, backend_refs: {legacy: 50, new: 50}}
  - {name: shop, match: {hosts: [shop.example], path: {prefix: /shop}}, backend_refs: legacy}
  - {name: idle, match: {path: {prefix: /idle}}, backend_refs: legacy}
  - {name: rest, backend_refs: legacy}
""",
    "t",
).table
DEEP = "/a/b/c/d/e/f/g/h/i/j/k/l"
"""As long as a path of a ledger can be."""
OLD, NEW = "2026-10-01T00:00:00", "2026-11-30T00:00:00"


def ledger(*endpoints: Endpoint, since: str = OLD) -> LedgerFile:
    return LedgerFile(1, since, NEW, 0, endpoints)


ENDPOINTS = (
    Endpoint("GET", "/orders/{number}", Use(5, 9, NEW, NEW)),
    Endpoint("GET", "/old", Use(7, 0, OLD)),
    Endpoint("GET", "/gone", Use(0, 3, "", NEW)),
    Endpoint("GET", "/shop/{text}", Use(9, 0, NEW)),
    Endpoint("GET", "/a", Use(1, 0, NEW, route="orders")),
    Endpoint("GET", "/b", Use(1, 0, NEW, route="no longer there")),
)


def test_what_the_monolith_served_lately_is_used_and_the_rest_is_safe_to_delete() -> None:
    found = report(ledger(*ENDPOINTS), TABLE, [], "shop.example", 30)
    assert [(line.endpoint.path, line.route, line.stage) for line in found.used] == [
        ("/shop/{text}", "shop", ""),
        ("/orders/{number}", "orders", "canary"),
        ("/a", "orders", "canary"),
        ("/b", "rest", ""),
    ]
    assert [line.endpoint.path for line in found.unused] == ["/gone", "/old"]
    assert (found.days, found.is_long_enough) == (60.0, True)
    assert found.idle_routes == ("idle",)


def test_a_ledger_that_is_too_short_says_so() -> None:
    found = report(ledger(*ENDPOINTS, since="2026-11-28T00:00:00"), TABLE, [], "", 30)
    assert not found.is_long_enough


def test_an_empty_ledger_covers_nothing() -> None:
    found = report(LedgerFile(1, "", "", 0, ()), TABLE, [Known("GET", "/x")], "", 30)
    assert (found.days, found.is_long_enough, found.never) == (0.0, False, (Known("GET", "/x"),))


@pytest.mark.parametrize(
    ("known", "is_never"),
    [
        (Known("GET", "/orders/{id}"), False),
        (Known("GET", "/orders/:id"), False),
        (Known("", "/orders/7"), False),
        (Known("POST", "/orders/{id}"), True),
        (Known("GET", "/orders"), True),
        (Known("GET", "/shop/about"), False),
        (Known("GET", "/report"), True),
        (Known("GET", "/old?x=1"), False),
        (Known("GET", "/old/"), False),
        (Known("GET", "/"), False),
        (Known("GET", "/v{version}/list"), False),
        (Known("GET", f"{DEEP}/m/n"), False),
    ],
)
def test_in_doubt_an_endpoint_was_asked_for(known: Known, is_never: bool) -> None:
    others = [Endpoint("GET", path, Use(1, 0, NEW)) for path in ("/", "/v1/list", DEEP)]
    assert (known in report(ledger(*ENDPOINTS, *others), TABLE, [known], "", 30).never) is is_never


def test_the_monolith_is_the_incumbents() -> None:
    assert monolith_of(TABLE) == {"legacy"}
    unstaged = load(
        b"version: 1\nbackends: {a: http://a}\nroutes: [{name: r, backend_refs: a}]\n", "t"
    )
    assert monolith_of(unstaged.table) == frozenset()


def test_endpoints_are_read_from_lines_and_from_openapi() -> None:
    lines = b"# all of them\nGET /orders/{id}\n\n/any\n"
    assert read_known(lines, "f") == [Known("GET", "/orders/{id}"), Known("", "/any")]
    document = b"openapi: 3.0.0\npaths:\n  /a: {get: {}, parameters: []}\n  b: {get: {}}\n  /c: x\n"
    assert read_known(document, "f") == [Known("GET", "/a")]
    swagger = b'{"swagger": "2.0", "basePath": "/api/", "paths": {"/a": {"post": {}}}}'
    assert read_known(swagger, "f") == [Known("POST", "/api/a")]
    odd = b'{"swagger": "2.0", "basePath": 1, "paths": {"/a": {"post": {}}}}'
    assert read_known(odd, "f") == [Known("POST", "/a")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"\xff", "f is not UTF-8"),
        (b"", "f has no endpoint"),
        (b"get /a\norders\n", "f:1: this is no endpoint"),
        (b"{", "neither JSON nor YAML"),
        (b"openapi: 3\n", "it has no `paths`"),
        (b"{}", "it has no `paths`"),
        (b"openapi: 3\npaths: {}\n", "f has no endpoint"),
        (b"/a\n" * 5_001, "more than 5,000"),
    ],
)
def test_a_file_without_endpoints_is_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(FacadeError, match=sentence):
        read_known(text, "f")
