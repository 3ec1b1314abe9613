"""Rewrites, and the mapping of addresses in responses (rule 4)."""

from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade
from tests.support.origin import ok, origin, responding
from tests.support.wire import Message

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = """
version: 1
backends: {{svc: "{url}"}}
routes:
  - name: api
    match: {{path: {{prefix: /api/v1}}}}
    backend_refs: [{{name: svc, url_rewrite: {{path: {{replace_prefix_match: /svc}}}}}}]
  - name: bare
    match: {{path: {{prefix: /bare}}}}
    backend_refs: [{{name: svc, url_rewrite: {{path: {{replace_prefix_match: /}}}}}}]
  - name: one
    match: {{path: {{exact: /one}}}}
    backend_refs: [{{name: svc, url_rewrite: {{path: {{replace_full_path: /other}}, hostname: svc.example}}}}]
  - name: tenants
    match: {{path: {{template: "/t/{{tenant}}/orders/**"}}}}
    backend_refs: [{{name: svc, url_rewrite: {{path: {{template: "/orders/{{tenant}}/**"}}}}}}]
  - name: said
    match: {{path: {{prefix: /said}}}}
    backend_refs:
      - name: svc
        url_rewrite: {{path: {{replace_full_path: /x}}, reverse: {{prefix: /y, replace_prefix_match: /said}}}}
  - {{name: rest, backend_refs: svc}}
"""
COOKIE = "a=1; Path={}; HttpOnly"


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("/api/v1", "/svc"),
        ("/api/v1/", "/svc/"),
        ("/api/v1/a%2Fb?x=/api/v1", "/svc/a%2Fb?x=/api/v1"),
        ("/api/v10", "/api/v10"),
        ("/bare", "/"),
        ("/bare/x?", "/x?"),
        ("/one?q=1", "/other?q=1"),
        ("/else", "/else"),
    ],
)
async def test_a_backend_is_asked_in_its_own_words(
    asked: str, seen: str, tier: Tier, tmp_path: Path
) -> None:
    """Rule 4."""
    got: list[Message] = []
    async with origin(responding(ok(), got)) as made:
        async with facade(tier, TABLE.format(url=made.url), tmp_path) as up, client(up) as wire:
            wire.send(f"GET {asked} HTTP/1.1\r\nhost: facade.example\r\n\r\n".encode())
            assert (await wire.response()).body == b"ok"
    assert got[0].head.target == seen.encode()
    wanted = "svc.example" if asked.startswith("/one") else "facade.example"
    assert got[0].head.one(b"host") == wanted.encode()


@pytest.mark.parametrize(
    ("name", "said", "heard"),
    [
        ("location", "/svc/8?a=/svc", "/api/v1/8?a=/svc"),
        ("location", "/svc", "/api/v1"),
        ("location", "/svcs/8", "/svcs/8"),
        ("location", "../8", "../8"),
        ("location", "{url}/svc/8", "/api/v1/8"),
        ("location", "{url}", "/"),
        ("location", "https://other.example/svc/8", "https://other.example/svc/8"),
        ("location", "//other.example/svc/8", "//other.example/svc/8"),
        ("location", "", ""),
        ("location", "http://facade.example/svc/8?a", "http://facade.example/api/v1/8?a"),
        ("location", "https://facade.example/other", "https://facade.example/other"),
        ("refresh", "0; url={url}/svc/8", "0; url=/api/v1/8"),
        ("refresh", "5;URL='http://facade.example/svc'", "5;URL='http://facade.example/api/v1'"),
        ("content-location", "/svc/8.json", "/api/v1/8.json"),
        (
            "link",
            '</svc/2>; rel="next", </svc/9>; rel=last',
            '</api/v1/2>; rel="next", </api/v1/9>; rel=last',
        ),
        ("link", "<{url}/svc/2>; rel=next", "</api/v1/2>; rel=next"),
        ("link", "<http://facade.example/svc/2>", "<http://facade.example/api/v1/2>"),
        ("link", "<https://other.example/svc>; rel=a", "<https://other.example/svc>; rel=a"),
        ("set-cookie", COOKIE.format("/svc"), COOKIE.format("/api/v1")),
        ("set-cookie", COOKIE.format("/svc/x"), COOKIE.format("/api/v1/x")),
        ("set-cookie", COOKIE.format("/"), COOKIE.format("/")),
        ("set-cookie", "a=/svc; path=/svc", "a=/svc; path=/api/v1"),
        ("set-cookie", "a=1; Domain=127.0.0.1; Secure", "a=1; Secure"),
        ("set-cookie", "a=1; Domain=example.com", "a=1; Domain=example.com"),
        ("x-location", "/svc/8", "/svc/8"),
    ],
)
async def test_addresses_in_a_response_are_mapped_back(
    name: str, said: str, heard: str, tier: Tier, tmp_path: Path
) -> None:
    """Rule 4, RFC 9110 10.2.2, RFC 8288 3, RFC 6265 4.1."""
    async with origin() as made:
        async with facade(tier, TABLE.format(url=made.url), tmp_path) as up, client(up) as wire:
            wire.send(b"GET /api/v1/7 HTTP/1.1\r\nhost: facade.example\r\n\r\n")
            upstream = await made.connection()
            await upstream.request()
            field = f"{name}: {said.format(url=made.url)}".encode()
            upstream.send(ok(b"", field, b"x-other: 1"))
            got = await wire.response()
    assert got.head.all(name.encode()) == [heard.encode()]
    assert got.head.one(b"x-other") == b"1"


@pytest.mark.parametrize(
    ("target", "seen", "inner", "outer"),
    [
        ("/t/acme/orders/7", "/orders/acme/7", "/orders/acme/8?a", "/t/acme/orders/8?a"),
        ("/t/acme/orders", "/orders/acme", "/orders/b%20c/", "/t/b%20c/orders/"),
        ("/t/acme/orders", "/orders/acme", "/orders", "/orders"),
        ("/said/1", "/x", "/y/8", "/said/8"),
        ("/one", "/other", "/other?a", "/one?a"),
    ],
)
async def test_addresses_are_mapped_back_through_other_rewrites(
    target: str, seen: str, inner: str, outer: str, tier: Tier, tmp_path: Path
) -> None:
    """Rule 4, ADR 9."""
    got: list[Message] = []
    sent = (f"location: {inner}", f"set-cookie: {COOKIE.format(inner.partition('?')[0])}")
    reply = ok(b"", *(field.encode() for field in sent))
    async with origin(responding(reply, got)) as made:
        async with facade(tier, TABLE.format(url=made.url), tmp_path) as up, client(up) as wire:
            wire.send(f"GET {target} HTTP/1.1\r\nhost: facade.example\r\n\r\n".encode())
            head = (await wire.response()).head
    assert got[0].head.target == seen.encode()
    assert head.one(b"location") == outer.encode()
    assert head.one(b"set-cookie") == COOKIE.format(outer.partition("?")[0]).encode()


async def test_two_set_cookie_fields_are_each_mapped_back(tier: Tier, tmp_path: Path) -> None:
    """RFC 6265 3: they are never folded into one."""
    async with origin(
        responding(ok(b"", b"set-cookie: a=1; path=/svc", b"set-cookie: b=2"))
    ) as made:
        async with facade(tier, TABLE.format(url=made.url), tmp_path) as up, client(up) as wire:
            wire.send(b"GET /api/v1/7 HTTP/1.1\r\nhost: facade.example\r\n\r\n")
            got = await wire.response()
    assert got.head.all(b"set-cookie") == [b"a=1; path=/api/v1", b"b=2"]
