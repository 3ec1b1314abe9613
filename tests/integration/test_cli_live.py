"""Commands that ask a running facade over its admin listener."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.cli import parse
from proxy.errors import FacadeError
from tests.integration.commands import TABLE, facade
from tests.support.facade_in_loop import facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.ports import free_port

pytestmark = pytest.mark.usefixtures("in_folder")


async def test_a_running_facade_explains_by_the_table_in_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with origin(responding(ok(b"hi"))) as legacy:
        folder = tmp_path / "live"
        folder.mkdir()
        table = TABLE.replace("http://127.0.0.1:8082", legacy.url)
        async with facade_in_loop(table, folder) as served:
            live = f"--live=http://{served.admin}"
            words = ("GET", "/list?a=b c", "-H", "x-a: ü", "--bucket", "99")
            assert await asyncio.to_thread(facade, "explain", *words, live, "--json") == 0
            printed = json.loads(capsys.readouterr().out)
            assert (printed["route"], printed["ways"][0]["backend"]) == ("list", "legacy")
            assert printed["target"] == "/list?a=b c"
            assert ["x-a", "ü"] in printed["ways"][0]["headers"]
            assert printed["table"] == served.app.table.current.version

            served.routes.write_text("nonsense")
            await served.app.watcher.refresh()
            assert await asyncio.to_thread(facade, "routes", live) == 0
            shown = capsys.readouterr().out
            assert f"version {printed['table']}, in effect for" in shown
            assert "the last good table serves on" in shown

            refused = await served.get("/explain?method=GET&url=nonsense", admin=True)
            assert b" 400 " in refused.split(b"\r\n")[0]
            assert b"application/problem+json" in refused


STICKY = """\
version: 1
backends: {legacy: {endpoints: [URLS], session_affinity: {cookie: node}}}
routes: [{name: all, backend_refs: legacy}]
"""


async def test_explain_shows_the_endpoint_that_the_affinity_cookie_of_a_request_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with origin(responding(ok(b"1"))) as one, origin(responding(ok(b"2"))) as two:
        folder = tmp_path / "live"
        folder.mkdir()
        table = STICKY.replace("URLS", f"{one.url}, {two.url}")
        async with facade_in_loop(table, folder) as served:
            for _ in range(2):
                got = await served.get("/")
                number = int(got[-1:])
                (cookie,) = re.findall(rb"Set-Cookie: (node=\w+);", got)
                words = ("GET", "/", "-H", f"cookie: a=b; {cookie.decode()}")
                live = f"--live=http://{served.admin}"
                assert await asyncio.to_thread(facade, "explain", *words, live) == 0
                url = (one, two)[number - 1].url
                line = f"endpoint {url}, by the cookie of session_affinity\n"
                assert line in capsys.readouterr().out
                assert facade("explain", *words, "--routes", str(served.routes)) == 0
                assert line in capsys.readouterr().out
            for other in ("a=b", "node=unknown"):
                words = ("GET", "/", "-H", f"cookie: {other}")
                assert await asyncio.to_thread(facade, "explain", *words, live, "--json") == 0
                assert json.loads(capsys.readouterr().out)["ways"][0]["endpoint"] is None


@pytest.mark.parametrize("words", [("routes",), ("explain", "GET", "/")])
def test_a_facade_that_is_not_there_gets_one_sentence(words: Sequence[str]) -> None:
    with pytest.raises(FacadeError, match=r"no facade answers at .* start one") as raised:
        facade(*words, f"--live=http://127.0.0.1:{free_port()}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a": 1}', b'{"table": 1}', b"\xff"])
async def test_a_response_of_another_program_gives_one_sentence(body: bytes) -> None:
    async with origin(responding(ok(body))) as other:
        for words in (("routes",), ("explain", "GET", "/")):
            with pytest.raises(FacadeError, match="is no facade's admin listener"):
                await asyncio.to_thread(facade, *words, f"--live={other.url}")


def test_a_word_after_live_that_is_no_address_gets_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        facade("explain", "--live", "GET", "/")
    assert "'GET' is no address: write --live last" in capsys.readouterr().err
    assert parse(["explain", "GET", "/", "--live"]).live == "http://127.0.0.1:9901"
    assert parse(["routes", "--live", "[::1]:99"]).live == "http://[::1]:99"
