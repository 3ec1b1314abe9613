"""Two applications with a session cookie of one name: one of the two is renamed for clients."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import body_of, head_of
from tests.support.wire import Message

TABLE = """
version: 1
backends:
  legacy: "{legacy}"
  carved: {{url: "{carved}", cookies: {{rename: {{JSESSIONID: CARVED_JSESSIONID}}}}{more}}}
routes:
  - name: carved
    match: {{path: {{prefix: /app/carved}}}}
    backend_refs: [{{name: carved, url_rewrite: {{path: {{replace_prefix_match: /inner}}}}}}]
  - {{name: rest, backend_refs: legacy}}
"""


def application(name: bytes) -> bytes:
    """Sets the session cookie of its container."""
    return ok(name, b"set-cookie: JSESSIONID=%b; Path=/; HttpOnly" % name)


@asynccontextmanager
async def site(
    folder: Path, tier: Tier, carved: bytes, received: list[Message], more: str = ""
) -> AsyncIterator[RunningFacade]:
    """Both backends note their requests in `received`."""
    async with (
        origin(responding(application(b"old"), received)) as legacy,
        origin(responding(carved, received)) as new,
    ):
        table = TABLE.format(legacy=legacy.url, carved=new.url, more=more)
        async with facade_in_loop(table, folder, tier=tier) as facade:
            yield facade


def cookies_set(response: bytes) -> list[bytes]:
    return re.findall(rb"\r\nset-cookie: ([^\r]*)", head_of(response), re.IGNORECASE)


def cookies_sent(message: Message) -> list[bytes]:
    return [value.strip() for value in message.head.all(b"cookie")]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("path", ["/app/carved/x", "/app/carved/%41"], ids=["usual", "general"])
async def test_a_browser_keeps_both_sessions(tmp_path: Path, tier: Tier, path: str) -> None:
    received: list[Message] = []
    async with site(tmp_path, tier, application(b"new"), received) as facade:
        old = cookies_set(await facade.get("/app"))
        new = cookies_set(await facade.get(path))
        assert old == [b"JSESSIONID=old; Path=/; HttpOnly"]
        assert new == [b"CARVED_JSESSIONID=new; Path=/; HttpOnly"]
        jar = "cookie: JSESSIONID=old; CARVED_JSESSIONID=new; theme=dark"
        await facade.get(path, jar)
        await facade.get("/app", jar)
        explained = await facade.get(f"/explain?method=GET&url={path}", admin=True)
        lines = await facade.log_lines(4)
    assert cookies_sent(received[2]) == [b"JSESSIONID=new; theme=dark"]
    assert cookies_sent(received[3]) == [b"JSESSIONID=old; theme=dark"]
    assert b"all but JSESSIONID, and CARVED_JSESSIONID as JSESSIONID" in body_of(explained)
    assert not [line for line in lines if "dropped_cookies" in line]


@pytest.mark.parametrize("tier", TIERS)
async def test_several_cookies_are_set_deleted_mapped_back_and_dropped(
    tmp_path: Path, tier: Tier
) -> None:
    carved = ok(
        b"",
        b"set-cookie: JSESSIONID=; Max-Age=0; Path=/inner",
        b'Set-Cookie: theme="a b"; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
        b"SET-COOKIE: CARVED_JSESSIONID=forged",
        b"set-cookie: =JSESSIONID=nameless",
    )
    async with site(tmp_path, tier, carved, []) as facade:
        got = cookies_set(await facade.get("/app/carved"))
        (line,) = await facade.log_lines(1)
        metrics = await facade.get("/metrics", admin=True)
    assert got == [
        b"CARVED_JSESSIONID=; Max-Age=0; Path=/app/carved",
        b'theme="a b"; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
        b"CARVED_JSESSIONID=nameless",
    ]
    assert line["dropped_cookies"] == ["CARVED_JSESSIONID"]
    assert b'facade_dropped_cookies_total{backend="carved"} 1' in metrics


@pytest.mark.parametrize("tier", TIERS)
async def test_the_cookie_of_the_facade_goes_beside_it(tmp_path: Path, tier: Tier) -> None:
    received: list[Message] = []
    more = ", session_affinity: {cookie: node}"
    async with site(tmp_path, tier, application(b"new"), received, more) as facade:
        new, node = cookies_set(await facade.get("/app/carved"))
        pair = node.partition(b";")[0].decode()
        again = await facade.get("/app/carved", f"cookie: {pair}; CARVED_JSESSIONID=new")
    assert new.startswith(b"CARVED_JSESSIONID=new;")
    assert pair.startswith("node=")
    assert cookies_sent(received[1]) == [b"JSESSIONID=new"]
    assert len(cookies_set(again)) == 1


@pytest.mark.parametrize("tier", TIERS)
async def test_a_websocket_has_it_too(tmp_path: Path, tier: Tier) -> None:
    upgraded = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    received: list[Message] = []
    carved = upgraded + b"set-cookie: JSESSIONID=ws\r\n\r\n"
    async with site(tmp_path, tier, carved, received) as facade:
        reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        writer.write(
            b"GET /app/carved HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"cookie: JSESSIONID=old; CARVED_JSESSIONID=new\r\n\r\n"
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()
    assert cookies_set(head) == [b"CARVED_JSESSIONID=ws"]
    assert cookies_sent(received[0]) == [b"JSESSIONID=new"]
