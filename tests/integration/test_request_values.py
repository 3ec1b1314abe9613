"""Values of a request in header edits, rewrites and redirects, on both tiers."""

import re
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import head_of, status_of
from tests.support.wire import Message

TABLE = """
version: 1
defaults: {{forwarded: {{trusted_proxies: [127.0.0.0/8]}}}}
backends: {{legacy: "{legacy}", gone: "http://127.0.0.1:1"}}
routes:
  - name: tenants
    match: {{path: {{template: "/t/{{tenant}}"}}}}
    request:
      headers:
        set: {{x-tenant: "{{path.tenant}}", x-user: "{{query.user}}", x-real-ip: "{{client}}"}}
        add: {{x-seen: "{{scheme}}://{{host}} {{header.user-agent}} {{request_id}}"}}
    response: {{headers: {{set: {{x-for: "{{query.user}} {{{{word}}}}"}}}}}}
    backend_refs: legacy
  - name: views
    match: {{path: {{exact: /view.do}}}}
    backend_refs:
      - name: legacy
        url_rewrite: {{path: {{template: "/items/{{query.item}}"}}, query: {{set: {{by: facade}}, remove: [item]}}}}
  - name: items
    match: {{path: {{template: "/items/{{id}}"}}}}
    backend_refs:
      - name: legacy
        url_rewrite: {{path: {{replace_full_path: /view.do}}, query: {{set: {{item: "{{path.id}}"}}}}}}
  - {{name: moved, match: {{path: {{template: "/old/{{id}}"}}}}, redirect: {{template: "/new/{{id}}/{{request_id}}"}}}}
  - name: back
    match: {{path: {{template: "/back/{{id}}"}}}}
    redirect: {{path: /view.do, query: {{set: {{item: "{{path.id}}"}}}}}}
  - {{name: bare, match: {{path: {{exact: /bare}}}}, redirect: {{template: "/n/{{header.x-none}}"}}}}
  - name: gone
    match: {{path: {{exact: /gone}}}}
    response: {{headers: {{set: {{x-for: "{{query.user}}"}}}}}}
    backend_refs: gone
"""


def field(response: bytes, name: bytes) -> list[bytes]:
    return re.findall(rb"\r\n%b: ([^\r]*)" % name, head_of(response), re.IGNORECASE)


@pytest.mark.parametrize("tier", TIERS)
async def test_values_reach_the_backend_and_the_client(tmp_path: Path, tier: Tier) -> None:
    received: list[Message] = []
    async with origin(responding(ok(b"hello", b"X-For: theirs"), received)) as legacy:
        async with facade_in_loop(TABLE.format(legacy=legacy.url), tmp_path, tier=tier) as facade:
            response = await facade.get(
                "/t/a%20b?user=ann%0d%0aX-Admin:%201",
                *("x-forwarded-for: 192.0.2.7", "x-forwarded-proto: https"),
                *("user-agent: me", "x-tenant: theirs", "x-request-id: id-1"),
            )
            without = await facade.get("/t/x", "x-user: theirs")
    first, second = (message.head for message in received)
    assert first.all(b"x-tenant") == [b"a%20b"]
    assert first.all(b"x-user") == [b"ann%0D%0AX-Admin:%201"]
    assert first.all(b"x-admin") == []
    assert first.all(b"x-real-ip") == [b"192.0.2.7"]
    assert first.one(b"x-seen").startswith(b"https://")
    assert first.one(b"x-seen").endswith(b" me id-1")
    assert field(response, b"x-for") == [b"ann%0D%0AX-Admin:%201 {word}"]
    assert status_of(response) == status_of(without) == 200
    assert second.all(b"x-user") == field(without, b"x-for") == []
    assert second.all(b"x-seen") == [], "the client has no user agent"


@pytest.mark.parametrize("tier", TIERS)
async def test_a_query_becomes_a_path_and_back(tmp_path: Path, tier: Tier) -> None:
    received: list[Message] = []
    paths = ("/view.do?item=7&a=%31", "/view.do?item=a/b%3Fc", "/items/7%20?a=1&item=2")
    async with origin(responding(ok(b"hello"), received)) as legacy:
        async with facade_in_loop(TABLE.format(legacy=legacy.url), tmp_path, tier=tier) as facade:
            statuses = [status_of(await facade.get(path)) for path in paths]
            bad = ("/view.do", "/view.do?item=", "/view.do?item=..%2Fadmin", "/view.do?item=%00")
            refused = [status_of(await facade.get(path)) for path in bad]
            lines = await facade.log_lines(7)
    assert statuses == [200] * 3
    assert [message.head.target for message in received] == [
        *(b"/items/7?a=%31&by=facade", b"/items/a%2Fb%3Fc?by=facade", b"/view.do?a=1&item=7%20"),
    ]
    assert refused == [400] * 4
    assert [line["reason"] for line in lines[3:]] == ["bad_request"] * 4
    assert {line["route"] for line in lines[3:]} == {"views"}


@pytest.mark.parametrize("tier", TIERS)
async def test_replies_of_the_facade_have_values(tmp_path: Path, tier: Tier) -> None:
    async with facade_in_loop(
        TABLE.format(legacy="http://127.0.0.1:1"), tmp_path, tier=tier
    ) as facade:
        redirect = await facade.get("/old/7%20?a=1", "x-request-id: id-1")
        problem = await facade.get("/gone?user=ann")
        back = await facade.get("/back/8?item=1&a=2")
        bare = await facade.get("/bare")
    assert field(redirect, b"location") == [b"/new/7%20/id-1?a=1"]
    assert field(back, b"location") == [b"/view.do?a=2&item=8"]
    assert (status_of(problem), status_of(bare)) == (502, 400)
    assert field(problem, b"x-for") == [b"ann"]
