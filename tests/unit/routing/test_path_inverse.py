"""Paths of a backend are mapped back through a template or a full path that has an inverse (rule 4)."""

# ruff: noqa: E501 -- a row of a table stays on one line

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model import (
    ALL_BP,
    BackendRef,
    Forwarded,
    Match,
    PathMatch,
    QueryEdits,
    RequestValue,
    Rewrite,
)
from proxy.routing.transforms.path_inverse import inverse_of
from proxy.routing.transforms.reverse_rewrite import describe_inverse, mapped_back
from proxy.routing.upstream_path import upstream_path
from tests.make import backend, decided, exact, facts, matched, prefix, route, table, template

TENANTS = replace(template("/api/{tenant}/orders", tenant="[a-z]+"), tail=True)
ORDERS = Rewrite(template="/orders/{tenant}/**")


def outer(path: str, pattern: PathMatch, rewrite: Rewrite) -> str | None:
    inverse = inverse_of(pattern, rewrite)
    return None if inverse is None else inverse.path(path.encode()).decode()


@pytest.mark.parametrize(
    ("pattern", "rewrite", "inner", "expected"),
    [
        (template("/api/{id}/header"), "/f/{id}/header", "/f/7/header", "/api/7/header"),
        (template("/api/{id}/header"), "/f/{path.id}/header", "/f/7/header", "/api/7/header"),
        (template("/a/{x}/{y}"), "/b/{y}/{x}", "/b/1/2", "/a/2/1"),
        (template("/a/{x}/{y}"), "/b/{y}/{x}", "/b/1/2?q=/b/3/4#f", "/a/2/1?q=/b/3/4#f"),
        (TENANTS, "/orders/{tenant}/**", "/orders/acme/7/8", "/api/acme/orders/7/8"),
        (TENANTS, "/orders/{tenant}/**", "/orders/acme", "/api/acme/orders"),
        (TENANTS, "/orders/{tenant}/**", "/orders/acme/", "/api/acme/orders/"),
        (TENANTS, "/{tenant}/**", "/acme//evil.example", "/api/acme/orders//evil.example"),
        (prefix("/api"), "/svc/**", "/svc/7", "/api/7"),
        (prefix("/"), "/svc/**", "/svc/7", "/7"),
        (prefix("/"), "/svc/**", "/svc//evil.example", "/evil.example"),
        (template("/ä b/{id}"), "/c d/{id}", "/c%20d/%c3%a4", "/%C3%A4%20b/%c3%a4"),
        (template("/a/{id}"), "/b/{id}", "/b/7;jsessionid=1", "/a/7;jsessionid=1"),
        (template("/a/{id}/x"), "/b/{id}/y", "/b/7/y;jsessionid=1", "/a/7/x;jsessionid=1"),
        (replace(template("/A/{id}"), ignore_case=True), "/b/{id}", "/b/C", "/A/C"),
    ],
)  # fmt: skip
def test_a_template_is_inverted(
    pattern: PathMatch, rewrite: str, inner: str, expected: str
) -> None:
    values = (("{path.id}", RequestValue("path", "id")),) if "path." in rewrite else ()
    assert outer(inner, pattern, Rewrite(template=rewrite, values=values)) == expected


@pytest.mark.parametrize(
    "inner",
    [
        *("/other/acme", "/order/acme", "/orders", "/orders/", "/orders//7", "/orders/ACME/7"),
        *("/orders/../x", "/orders/%2e%2e/x", "/orders/a%2fb", "/orders;a=1/acme", "/orders/a%5cb"),
    ],
)
def test_a_path_to_which_the_rewrite_never_leads_stays(inner: str) -> None:
    assert outer(inner, TENANTS, ORDERS) == inner


@pytest.mark.parametrize("inner", ["/f/7/header/", "/f/7/header/x", "/f/7", "/f/x/header"])
def test_a_template_without_a_tail_is_the_whole_path(inner: str) -> None:
    numbers = template("/api/{id}/header", id="[0-9]+")
    assert outer(inner, numbers, Rewrite(template="/f/{id}/header")) == inner


@pytest.mark.parametrize(
    ("pattern", "path", "inner", "expected"),
    [
        (exact("/api/flights"), "/f", "/f?page=2", "/api/flights?page=2"),
        (exact("/api/flights"), "/f", "/f/7", "/f/7"),
        (exact("/api/flights/"), "/f", "/f", "/api/flights/"),
        (exact("/"), "/home", "/home", "/"),
        (exact("/api"), "/", "/", "/api"),
        (exact("/a b"), "/c d", "/c%20d", "/a%20b"),
    ],
)
def test_a_full_path_of_an_exact_match_is_inverted(
    pattern: PathMatch, path: str, inner: str, expected: str
) -> None:
    assert outer(inner, pattern, Rewrite(full_path=path)) == expected
    removed = Rewrite(full_path=path, query=QueryEdits((), ("debug",)))
    assert outer(inner, pattern, removed) == expected


@pytest.mark.parametrize(
    ("pattern", "rewrite"),
    [
        pytest.param(prefix("/api"), Rewrite(full_path="/f"), id="a full path of a prefix"),
        pytest.param(template("/a/{b}"), Rewrite(full_path="/f"), id="a full path of a template"),
        pytest.param(exact("/a"), Rewrite(full_path="/f", query=QueryEdits((("q", (b"1",)),))), id="a query that is set"),
        pytest.param(template("/a/{b}/{c}"), Rewrite(template="/f/{b}"), id="a parameter is lost"),
        pytest.param(TENANTS, Rewrite(template="/o/{tenant}"), id="the tail is lost"),
        pytest.param(prefix("/a"), Rewrite(template="/o/x"), id="what is below the prefix is lost"),
        pytest.param(exact("/a"), Rewrite(template="/f/{query.b}", values=(("{query.b}", RequestValue("query", "b")),)), id="a value of the query"),
        pytest.param(template("/a/{b}"), Rewrite(template="/{host}/{b}", values=(("{host}", RequestValue("host")),)), id="a value beside the parameter"),
        pytest.param(template("/a/{b}"), Rewrite(template="/f/{b}/{path.b}", values=(("{path.b}", RequestValue("path", "b")),)), id="a parameter twice"),
        pytest.param(PathMatch("regex", "/a.*"), Rewrite(full_path="/f"), id="a regex"),
        pytest.param(None, Rewrite(full_path="/f"), id="no path"),
        pytest.param(prefix("/a"), Rewrite(prefix="/f"), id="a prefix, which has its own inverse"),
        pytest.param(prefix("/a"), Rewrite(hostname="f"), id="a host"),
    ],
)  # fmt: skip
def test_a_rewrite_that_loses_something_has_no_inverse(
    pattern: PathMatch | None, rewrite: Rewrite
) -> None:
    assert inverse_of(pattern, rewrite) is None


SEGMENTS = st.text("abc 20.é-", min_size=1, max_size=4).filter(lambda text: set(text) - {"."})


@given(SEGMENTS, st.lists(SEGMENTS, max_size=3))
def test_what_the_rewrite_made_is_mapped_to_where_it_came_from(
    tenant: str, below: list[str]
) -> None:
    pattern = replace(TENANTS, params=())
    encoded = [quote(each) for each in (tenant, *below)]
    path = "/".join((f"/api/{encoded[0]}/orders", *encoded[1:])).encode()
    inverse = inverse_of(pattern, ORDERS)
    assert inverse is not None
    assert inverse.path(upstream_path(matched(route(path=pattern)).match, ORDERS, path)) == path


@pytest.mark.parametrize(
    ("field", "sent", "expected"),
    [
        ("location", "/orders/acme/7", "/api/acme/orders/7"),
        ("location", "http://shop.example/orders/acme/7", "http://shop.example/api/acme/orders/7"),
        ("location", "http://127.0.0.1:8081/orders/acme", "/api/acme/orders"),
        ("location", "//orders/acme/7", "//orders/acme/7"),
        ("location", "orders/acme", "orders/acme"),
        ("link", '</orders/acme?page=2>; rel="next"', '</api/acme/orders?page=2>; rel="next"'),
        ("set-cookie", "a=1; Path=/orders/acme", "a=1; Path=/api/acme/orders"),
        ("refresh", "0; url=/orders/acme", "0; url=/api/acme/orders"),
    ],
)
def test_every_field_with_an_address_is_mapped(field: str, sent: str, expected: str) -> None:
    assert _back(field, sent, ORDERS) == expected


@pytest.mark.parametrize(
    ("rewrite", "sent", "expected"),
    [
        (Rewrite(template="/x/y"), "/svc/7?q", "/api/7?q"),
        (Rewrite(template="/svc/{tenant}/**"), "/svc/acme", "/api/acme"),
        (Rewrite(full_path="/x"), "/other", "/other"),
        (Rewrite(hostname="inner.example"), "/svc", "/api"),
    ],
)
def test_the_table_may_say_how_paths_are_mapped(rewrite: Rewrite, sent: str, expected: str) -> None:
    assert _back("location", sent, replace(rewrite, reverse=("/svc/", "/api"))) == expected
    assert _back("location", "/7", replace(rewrite, reverse=("/", "/api"))) == "/api/7"
    assert _back("location", "/svc/7", replace(rewrite, reverse=("/svc", "/"))) == "/7"


def _back(field: str, value: str, rewrite: Rewrite) -> str:
    wanted = route(path=TENANTS, to=(BackendRef("legacy", ALL_BP, rewrite),))
    request = facts("/api/acme/orders/7", host="shop.example")
    decision = decided(table(wanted), wanted, request, 0)
    headers = [(field.encode(), value.encode())]
    ((_, mapped),) = mapped_back(headers, decision, backend(port=8081), request, Forwarded())
    return mapped.decode()


@pytest.mark.parametrize(
    ("pattern", "rewrite", "expected"),
    [
        (prefix("/api"), Rewrite(prefix="/svc"), "their paths /svc/** become /api/**"),
        (prefix("/api"), Rewrite(prefix="/"), "their paths /** become /api/**"),
        (TENANTS, ORDERS, "their paths /orders/{tenant}/** become /api/{tenant}/orders/**"),
        (exact("/a"), Rewrite(full_path="/b"), "their paths /b become /a"),
        (prefix("/a"), Rewrite(full_path="/b", reverse=("/c", "/")), "their paths /c/** become /**"),
        (prefix("/a"), Rewrite(full_path="/b"), "their paths stay: the rewrite loses a part of the path, and the table has no `reverse`"),
        (None, Rewrite(prefix="/b"), "their paths /b/** become /**"),
        (prefix("/a"), Rewrite(hostname="b"), ""),
        (prefix("/a"), None, ""),
    ],
)  # fmt: skip
def test_explain_has_the_inverse_in_words(
    pattern: PathMatch | None, rewrite: Rewrite | None, expected: str
) -> None:
    assert describe_inverse(Match(path=pattern), rewrite) == expected
