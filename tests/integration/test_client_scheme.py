"""Addresses of redirects and backends have the scheme that the client knows, behind a balancer that ends TLS."""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import head_of
from tests.support.wire import Message

TABLE = """
version: 1
defaults: {{forwarded: {{trusted_proxies: [{trusted}]}}}}
backends: {{legacy: {{url: "{url}"{backend}}}}}
routes:
  - {{name: moved, match: {{path: {{prefix: /moved}}}}, redirect: {{hostname: new.example}}}}
  - name: all
    match: {{path: {{prefix: /app}}}}
    backend_refs: [{{name: legacy, url_rewrite: {{path: {{replace_prefix_match: /inner}}}}}}]
"""
FAMILIES = pytest.mark.parametrize(
    "field", ["x-forwarded-proto: https", "forwarded: for=203.0.113.7;proto=https"]
)


@FAMILIES
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("trusted", "scheme"), [("127.0.0.0/8", b"https"), ("192.0.2.0/24", b"http")]
)
async def test_a_redirect_without_a_scheme_keeps_the_clients(
    tmp_path: Path, tier: Tier, field: str, trusted: str, scheme: bytes
) -> None:
    table = TABLE.format(trusted=trusted, url="http://127.0.0.1:1", backend="")
    async with facade_in_loop(table, tmp_path, tier=tier) as facade:
        head = head_of(await facade.get("/moved/x", field))
    assert b"location: %b://new.example/moved/x" % scheme in head.lower()


@FAMILIES
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(("trusted", "secure"), [("127.0.0.0/8", True), ("192.0.2.0/24", False)])
async def test_the_cookie_of_the_facade_is_for_https_alone_if_the_client_uses_it(
    tmp_path: Path, tier: Tier, field: str, trusted: str, secure: bool
) -> None:
    async with origin(responding(ok(b""))) as legacy:
        affinity = ", session_affinity: {cookie: node}"
        table = TABLE.format(trusted=trusted, url=legacy.url, backend=affinity)
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            head = head_of(await facade.get("/app/x", field))
    assert (b"; Secure" in head) is secure
    assert b"\r\nset-cookie: node=" in head.lower()


@FAMILIES
@pytest.mark.parametrize("tier", TIERS)
async def test_an_address_of_the_backend_itself_keeps_the_clients_scheme(
    tmp_path: Path, tier: Tier, field: str
) -> None:
    """It becomes a path, which has the scheme of the page (RFC 9110 10.2.2)."""

    def respond(_: Message) -> bytes:
        return ok(b"", f"location: {legacy.url}/inner/login".encode())

    async with origin(responding(respond)) as legacy:
        table = TABLE.format(trusted="127.0.0.0/8", url=legacy.url, backend="")
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            head = head_of(await facade.get("/app/x", field))
    assert b"location: /app/login" in head
