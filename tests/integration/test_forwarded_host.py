"""The Host that a backend gets: the client's, unless the table or the request has none."""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import status_of
from tests.support.wire import Message


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("path", ["/", "/%41"], ids=["usual", "general"])
@pytest.mark.parametrize(
    ("option", "head", "preserved"),
    [
        ("", "HTTP/1.1\r\nhost: Shop.example:81", True),
        (", preserve_host: true", "HTTP/1.1\r\nhost: Shop.example:81", True),
        (", preserve_host: false", "HTTP/1.1\r\nhost: Shop.example:81", False),
        ("", "HTTP/1.0", False),
    ],
)
async def test_a_backend_gets_the_host_of_the_client(
    tmp_path: Path, tier: Tier, path: str, option: str, head: str, preserved: bool
) -> None:
    seen: list[Message] = []
    async with origin(responding(ok(b"ok"), seen)) as legacy:
        table = f"""
version: 1
backends: {{legacy: {{url: "{legacy.url}"{option}}}}}
routes: [{{name: all, backend_refs: legacy}}]
"""
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            got = await facade.send(f"GET {path} {head}\r\nconnection: close\r\n\r\n".encode())
    assert status_of(got) == 200
    own = b"127.0.0.1:%d" % legacy.port
    assert seen[0].head.one(b"host") == (b"Shop.example:81" if preserved else own)
