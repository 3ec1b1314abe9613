"""A match on a forwarding field sees what a backend would get, never what a stranger wrote."""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.raw_response import status_of

TABLE = """
version: 1
backends: {{legacy: "http://127.0.0.1:1"}}
defaults: {{forwarded: {{trusted_proxies: [{trusted}]}}}}
routes:
  - name: secure
    match: {{headers: {{x-forwarded-proto: https}}}}
    direct_response: {{status: 200, body: ok}}
  - {{name: insecure, redirect: {{scheme: https}}}}
"""


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("trusted", "field", "status"),
    [
        ("127.0.0.0/8", "x-forwarded-proto: https", 200),
        ("127.0.0.0/8", "forwarded: for=203.0.113.7;proto=https", 200),
        ("127.0.0.0/8", "x-forwarded-proto: http", 302),
        ("192.0.2.0/24", "x-forwarded-proto: https", 302),
        ("192.0.2.0/24", "forwarded: proto=https", 302),
    ],
)
async def test_a_redirect_to_https_cannot_be_avoided_by_a_stranger(
    tmp_path: Path, tier: Tier, trusted: str, field: str, status: int
) -> None:
    async with facade_in_loop(TABLE.format(trusted=trusted), tmp_path, tier=tier) as facade:
        got = await facade.get("/", field)
    assert status_of(got) == status
