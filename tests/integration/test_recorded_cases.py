"""The cases that a facade records: served to `export-cases`, kept across restarts, and without secrets."""

import asyncio
import json
from pathlib import Path
from typing import Any

from proxy import cli
from tests.integration.mirror_site import Site, site
from tests.support.origin import ok, responding
from tests.support.wire import Message

CANARY = "canary-0b77"
MORE = 'mirror: {compare: {headers: [x-partner], redact: ["header:x-partner", "body:$[*].iban"]}}'
JSON = b"content-type: application/json"


def rows(code: str) -> bytes:
    body = [{"id": 1, "code": code, "iban": CANARY, "password": CANARY}]
    return ok(json.dumps(body).encode(), JSON, f"x-partner: {CANARY}".encode())


def by_path(request: Message) -> bytes:
    return rows("CDG" if b"/wrong" in request.head.target else "LHR")


async def cases(at: Site) -> list[dict[str, Any]]:
    response = await at.facade.get("/parity/cases?route=list", admin=True)
    assert response.startswith(b"HTTP/1.1 200 ")
    found: list[dict[str, Any]] = json.loads(response.partition(b"\r\n\r\n")[2])["cases"]
    return found


async def recorded(at: Site, number: int) -> list[dict[str, Any]]:
    """The cases, once there are so many: a worker writes them every five seconds."""
    async with asyncio.timeout(30):
        while len(found := await cases(at)) < number:
            await asyncio.sleep(0.1)
    return found


def texts_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


async def test_cases_are_recorded_exported_and_kept(tmp_path: Path) -> None:
    old, new = responding(rows("LHR")), responding(by_path)
    async with site(tmp_path, more=MORE, legacy=old, new=new) as at:
        secret = f"cookie: sid={CANARY}", f"authorization: Bearer {CANARY}", f"x-partner: {CANARY}"
        for target in ("/wrong?x=1", "/right", f"/right?token={CANARY}"):
            await at.facade.get(target, *secret, "accept: application/json")
        found = await recorded(at, 2)
        assert sorted((each["request"]["target"], each["places"]) for each in found) == [
            ("/right", []),
            ("/wrong?x=1", ["value /*/code"]),
        ]
        address = at.facade.admin
        words = ["export-cases", "list", "-o", str(tmp_path / "test_list.py")]
        admin = f"--admin=http://{address.host}:{address.port}"
        assert await asyncio.to_thread(cli.main, [*words, admin]) == 0
    texts = texts_in(tmp_path)
    assert {"test_list.py", "routes.yaml.cases.0.json"} <= texts.keys()
    assert [name for name, text in texts.items() if CANARY in text] == []
    async with site(tmp_path, more=MORE, legacy=old, new=new) as at:
        assert await cases(at) == found
        await at.facade.get("/right/again")
        assert len(await recorded(at, 3)) == 3
    other = MORE.replace("headers: [x-partner]", "headers: []")
    async with site(tmp_path, more=other, legacy=old, new=new) as at:
        assert await cases(at) == []


async def test_a_route_without_a_comparison_has_no_cases(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        for route in ("list", "none"):
            response = await at.facade.get(f"/parity/cases?route={route}", admin=True)
            assert response.startswith(b"HTTP/1.1 404 ")


async def test_cases_that_cannot_be_written_cost_a_line_in_the_log(
    tmp_path: Path, caplog: Any
) -> None:
    (tmp_path / ".routes.yaml.cases.0.json.new").mkdir()
    (tmp_path / "routes.yaml.cases.0.json").write_text("no JSON")
    async with site(
        tmp_path, more=MORE, legacy=responding(rows("A")), new=responding(rows("B"))
    ) as at:
        await at.facade.get("/")
        assert await cases(at) == []
    found = [
        each.message
        for each in caplog.records
        if "cases of routes are not recorded" in each.message
    ]
    assert len(found) == 1
