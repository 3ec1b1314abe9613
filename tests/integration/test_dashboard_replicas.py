"""The dashboard beside other replicas: which table each serves, and the ones that do not respond well."""

import asyncio
import html
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from proxy.dashboard.access import Access
from proxy.server.settings import Address, Token
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import Script, origin
from tests.support.ports import free_port
from tests.support.wire import Wire

TABLE = """\
version: 1
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
routes:
  - {name: list, stage: canary, match: {path: {prefix: /list}}, backend_refs: {legacy: 80, new: 20}}
  - {name: rest, backend_refs: legacy}
"""
STALE = TABLE.replace("legacy: 80, new: 20", "legacy: 99, new: 1")
TOKEN = Token(sha256(b"not-a-secret-0123456789").digest())
OTHER_TOKEN = Token(sha256(b"no-secret-either-9876543210").digest())


@asynccontextmanager
async def replica(
    folder: Path, name: str, table: str = TABLE, token: Token | None = None
) -> AsyncIterator[RunningFacade]:
    """A facade with a folder of its own."""
    own = folder / name
    own.mkdir()
    async with facade_in_loop(table, own, admin_token=token) as facade:
        yield facade


@asynccontextmanager
async def watching(
    folder: Path, *others: str, token: Token | None = None
) -> AsyncIterator[RunningFacade]:
    """A facade that knows itself and the others as replicas."""
    admin = Address("127.0.0.1", free_port())
    urls = tuple(f"http://{place}" for place in (str(admin), *others))
    async with facade_in_loop(
        TABLE, folder, admin=admin, replicas=urls, admin_token=token
    ) as facade:
        yield facade


async def rows(facade: RunningFacade, token: Token | None = None) -> list[list[str]]:
    """The cells of the replicas on the page, as text."""
    cookie = () if token is None else (f"cookie: facade_admin={session_of(token)}",)
    request = (f"GET / HTTP/1.1\r\nhost: {facade.admin}\r\nconnection: close", *cookie, "", "")
    page = (await facade.send("\r\n".join(request).encode(), admin=True)).decode()
    table = page.partition('<div id="replicas">')[2].partition("</table>")[0]
    lines = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    return [[_text(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", line)] for line in lines]


def _text(cell: str) -> str:
    return html.unescape(re.sub("<[^>]*>", " ", cell)).strip()


def session_of(token: Token) -> str:
    return Access(token.sha256, token.matches, time.time).new_session()


async def notes(facade: RunningFacade, token: Token | None = None) -> dict[str, str]:
    """The second cell of each row, by the address of its first cell."""
    return {row[0].split()[0]: row[1] for row in await rows(facade, token)}


async def eventually_noted(
    facade: RunningFacade, place: object, part: str, token: Token | None = None
) -> None:
    async with asyncio.timeout(30):
        while part not in (await notes(facade, token)).get(str(place), ""):
            await asyncio.sleep(0.1)


# --- which table each serves --------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, TOKEN], ids=["without a token", "with the same token"])
async def test_a_stale_replica_is_named_in_words_until_it_has_the_table(
    tmp_path: Path, token: Token | None
) -> None:
    async with (
        replica(tmp_path, "same", token=token) as same,
        replica(tmp_path, "stale", STALE, token=token) as stale,
        watching(tmp_path, str(same.admin), str(stale.admin), token=token) as facade,
    ):
        own, equal, other = await rows(facade, token)
        version, stale_version = (each.app.table.current.version for each in (facade, stale))
        assert own[0].startswith(f"{facade.admin} ")
        assert (own[1], own[2].split()[0]) == ("this one", version)
        assert (equal[0].split()[0], equal[1]) == (str(same.admin), "same table")
        assert equal[2].split()[0] == version
        assert other[0].endswith(", 1 of 1 serving")
        assert other[1] == "its table differs from this one's"
        assert stale_version != version
        since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        assert re.fullmatch(rf"{stale_version} +since +{since} +UTC", other[2])
        stale.routes.write_text("version: 2")
        await eventually_noted(facade, stale.admin, "this one's; its newest edit is refused", token)
        stale.routes.write_text(TABLE)
        await eventually_noted(facade, stale.admin, "same table", token)


async def test_one_replica_with_two_addresses_has_one_row(tmp_path: Path) -> None:
    async with replica(tmp_path, "other") as other:
        port = other.admin.port
        async with watching(tmp_path, f"127.0.0.1:{port}", f"localhost:{port}") as facade:
            assert len(await rows(facade)) == 2


async def test_without_replicas_the_page_has_no_such_part(tmp_path: Path) -> None:
    async with facade_in_loop(TABLE, tmp_path) as facade:
        assert await rows(facade) == []


async def test_a_facade_that_its_addresses_lack_says_so(tmp_path: Path) -> None:
    async with replica(tmp_path, "other") as other:
        urls = (f"http://{other.admin}",)
        async with facade_in_loop(TABLE, tmp_path, replicas=urls) as facade:
            own, _ = await rows(facade)
            assert own[1] == "this one; it is not among the addresses of --replicas"


# --- those that do not respond well -------------------------------------------------------------------


async def _hang(wire: Wire) -> None:
    await wire.request()
    await asyncio.Event().wait()


async def _trickle(wire: Wire) -> None:
    await wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while True:
        wire.send(b"{")
        await asyncio.sleep(0.1)


def _sending(response: bytes) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(response)

    return script


def _body(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


NO_FACADE = "not reachable: no admin listener of a facade, or one of another version"


@pytest.mark.parametrize(
    ("script", "note"),
    [
        pytest.param(_hang, "not reachable: no response within 1.5 s", id="hangs"),
        pytest.param(_trickle, "not reachable: no response within 1.5 s", id="trickles"),
        pytest.param(
            _sending(_body(b"x" * 1_000_000)),
            "not reachable: its response has more than 65,536 bytes",
            id="huge",
        ),
        pytest.param(_sending(b"\0\xff nonsense\r\n\r\n"), "not reachable: ", id="no HTTP"),
        pytest.param(_sending(b""), "not reachable: ", id="nothing"),
        pytest.param(_sending(_body(b"<html>")), NO_FACADE, id="no JSON"),
        pytest.param(_sending(_body(b"[" * 60_000)), NO_FACADE, id="deep JSON"),
        pytest.param(_sending(_body(b'{"replica": "\xff"}')), NO_FACADE, id="no UTF-8"),
        pytest.param(_sending(_body(b'{"replica": 1}')), NO_FACADE, id="another JSON"),
        pytest.param(
            _sending(b"HTTP/1.1 307 X\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"),
            "not reachable: its status is 307",
            id="a redirect",
        ),
    ],
)
async def test_a_replica_that_responds_badly_is_not_reachable(
    tmp_path: Path, script: Script, note: str
) -> None:
    async with origin(script) as bad, watching(tmp_path, f"127.0.0.1:{bad.port}") as facade:
        own, row = await rows(facade)
        assert own[1] == "this one"
        assert (row[0], row[1][: len(note)]) == (f"127.0.0.1:{bad.port}", note)


async def test_a_replica_that_is_gone_is_not_reachable_and_a_name_without_address_is_named(
    tmp_path: Path,
) -> None:
    gone = free_port()
    async with watching(tmp_path, f"127.0.0.1:{gone}", "no-such-name.invalid:9901") as facade:
        _, one, other = await rows(facade)
        assert one[1].startswith("not reachable: ")
        assert other[1] == (
            "not reachable: the name in http://no-such-name.invalid:9901 has no address"
        )


async def test_what_a_replica_sends_is_text(tmp_path: Path) -> None:
    report = {
        "replica": "x",
        "host": "<img src=x>\n",
        "table_version": "<b>",
        "loaded_at": 1e9,
        "last_reload_ok": True,
        "workers": [{"state": "<i>", "table": "<b>"}],
    }
    script = _sending(_body(msgspec.json.encode(report)))
    async with origin(script) as bad, watching(tmp_path, f"127.0.0.1:{bad.port}") as facade:
        _, row = await rows(facade)
        assert row[0].endswith("<img src=x>\N{REPLACEMENT CHARACTER}, 0 of 1 serving")
        assert re.fullmatch("<b> +since +2001-09-09 01:46:40 +UTC", row[2])


# --- who may ask --------------------------------------------------------------------------------------


async def test_a_replica_with_another_token_is_refused_and_the_page_says_so(tmp_path: Path) -> None:
    async with (
        replica(tmp_path, "other", token=OTHER_TOKEN) as other,
        watching(tmp_path, str(other.admin), token=TOKEN) as facade,
    ):
        _, row = await rows(facade, TOKEN)
        assert row[1].startswith("not reachable: it has another admin token")


async def test_credentials_of_a_replica_open_nothing_else(tmp_path: Path) -> None:
    access = Access(TOKEN.sha256, TOKEN.matches, time.time)
    field = f"authorization: Replica {access.replica_credentials()}"
    as_cookie = f"cookie: facade_admin={access.replica_credentials()}"
    as_bearer = f"authorization: Bearer {access.replica_credentials()}"
    session = f"authorization: Replica {access.new_session()}"
    async with replica(tmp_path, "one", token=TOKEN) as facade:
        assert b" 200 " in await facade.get("/replica", field, admin=True)
        for path in ("/", "/routes", "/metrics", "/figures", "/change", "/events"):
            assert b" 401 " in await facade.get(path, field, admin=True)
        for other in (as_cookie, as_bearer, session):
            assert b" 401 " in await facade.get("/replica", other, admin=True)


async def test_nobody_is_asked_while_nobody_looks(tmp_path: Path) -> None:
    async with origin(_hang) as other, watching(tmp_path, f"127.0.0.1:{other.port}") as facade:
        assert b" 200 " in await facade.get("/healthz", admin=True)
        assert other.accepted == 0
        await rows(facade)
        assert other.accepted == 1
