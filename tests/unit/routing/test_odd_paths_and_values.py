"""Odd paths: parameters are those of the path that the backend gets, and a rewrite is not left by dot segments (rule 12)."""

# ruff: noqa: E501 -- a row of a table stays on one line

import asyncio

import pytest

from tests.support.facade_in_process import InProcess, Seen

TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1", new: "http://127.0.0.1:2"}
cohorts: {items: {salt: s, hash_policy: [{path_parameter: id}]}}
routes:
  - name: tenants
    match: {path: {template: "/api/{tenant}/orders/**"}}
    path_policy: {double_slash: merge}
    request: {headers: {set: {x-tenant: "{path.tenant}"}}}
    response: {headers: {set: {x-served: "{path.tenant}"}}}
    backend_refs:
      - name: new
        url_rewrite: {path: {template: "/o/{path.tenant}/**"}, query: {set: {t: "{path.tenant}"}}}
  - name: items
    match: {path: {template: "/items/{id}"}}
    path_policy: {double_slash: merge}
    cohort: items
    backend_refs: {legacy: 50, new: 50}
  - name: moved
    match: {path: {template: "/moved/{id}"}}
    path_policy: {double_slash: merge}
    redirect: {template: "/to/{path.id}", query: {set: {a: "{path.id}"}}}
  - {name: files, match: {path: {template: "/files/{id}/**"}}, request: {headers: {set: {x-id: "{path.id}"}}}, backend_refs: legacy}
  - {name: plain-tail, match: {path: {template: "/plain/{id}/**"}}, backend_refs: legacy}
  - {name: prefixed, match: {path: {prefix: /svc}}, backend_refs: [{name: new, url_rewrite: {path: {replace_prefix_match: /v1/in}}}]}
  - {name: swapped, match: {path: {template: "/s/{x}/orders/**"}}, backend_refs: [{name: new, url_rewrite: {path: {template: "/orders/{x}/**"}}}]}
  - name: queried
    match: {path: {template: "/queried/{id}/**"}}
    backend_refs: [{name: new, url_rewrite: {query: {set: {id: "{path.id}"}}}}]
  - {name: rest, backend_refs: legacy}
"""


async def sent(path: str) -> Seen:
    facade = InProcess(TABLE, quick=True)
    seen = await facade.send(f"GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
    facade.close()
    await asyncio.sleep(0)
    return seen


@pytest.mark.parametrize("path", ["/api/acme/orders/7", "//api/acme//orders//7"])
async def test_parameters_are_those_of_the_merged_path(path: str) -> None:
    seen = await sent(path)
    ((_, request),) = seen.requests
    assert request.startswith(b"GET /o/acme/7?t=acme HTTP/1.1\r\n")
    assert b"\r\nx-tenant: acme\r\n" in request
    assert b"\r\nx-served: acme\r\n" in seen.client


async def test_the_key_of_a_cohort_is_that_of_the_merged_path() -> None:
    buckets = [
        (await sent(path)).lines[0]["bucket"] for path in ("/items/7", "//items/7", "/items//7")
    ]
    assert len(set(buckets)) == 1


async def test_a_redirect_has_the_parameters_of_the_merged_path() -> None:
    assert b"\r\nLocation: /to/9?a=9\r\n" in (await sent("//moved//9")).client


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/svc/a/../b", b"/v1/in/a/../b"),
        ("/svc/a/%2e%2e/b", b"/v1/in/a/%2e%2e/b"),
        ("/svc/./b%2fc", b"/v1/in/./b%2fc"),
        ("/s/a/orders/b/../c", b"/orders/a/b/../c"),
        ("/plain/a/../b/c", b"/plain/a/../b/c"),
        ("/files/a/b/../c", b"/files/a/b/../c"),
        ("/files/%61/../a/c", b"/files/%61/../a/c"),
    ],
)
async def test_dot_segments_that_stay_below_the_match_go_on(path: str, target: bytes) -> None:
    ((_, request),) = (await sent(path)).requests
    assert request.startswith(b"GET %b HTTP/1.1\r\n" % target)


@pytest.mark.parametrize(
    "path",
    [
        "/svc/x/../../svc/y",
        "/svc/%2e%2e/svc/y",
        "/svc/x/..%2f..%2fsvc/y",
        "/svc/../svc",
        "/s/a/orders/../../b/orders/7",
        "/files/a/../b/c",
        "/queried/a/../b/c",
        "/files/a/%2e%2e/b/c",
    ],
)
async def test_dot_segments_that_lead_out_of_a_rewrite_or_to_another_parameter_are_refused(
    path: str,
) -> None:
    seen = await sent(path)
    assert seen.requests == []
    assert seen.client.startswith(b"HTTP/1.1 400 ")
