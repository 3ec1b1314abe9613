"""The cases that a facade records: served to `export-cases`, and without secrets."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from proxy import cli
from tests.integration.mirror_site import Site, site
from tests.support.facade_in_loop import facade_in_loop
from tests.support.origin import ok, responding
from tests.support.waiting import eventually
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
    """The cases, once there are so many: they are published every two seconds."""
    async with asyncio.timeout(30):
        while len(found := await cases(at)) < number:
            await asyncio.sleep(0.1)
    return found


def texts_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


async def test_cases_are_recorded_and_exported_without_secrets(tmp_path: Path) -> None:
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
    assert "test_list.py" in texts
    assert [name for name, text in texts.items() if CANARY in text] == []


async def test_a_route_without_a_comparison_has_no_cases(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        for route in ("list", "none"):
            response = await at.facade.get(f"/parity/cases?route={route}", admin=True)
            assert response.startswith(b"HTTP/1.1 404 ")


async def test_cases_survive_a_restart_until_the_setup_changes(tmp_path: Path) -> None:
    old, new = responding(rows("LHR")), responding(by_path)
    async with site(tmp_path, more=MORE, legacy=old, new=new) as at:
        for target in ("/wrong", "/right"):
            await at.facade.get(target, f"cookie: sid={CANARY}")
        before = await recorded(at, 2)
        at.facade.stop.set()
        text = at.facade.routes.read_text()
        kept = tmp_path / "routes.yaml.cases.json"
        await eventually(kept.exists)
        assert kept.stat().st_mode & 0o777 == 0o600
        assert CANARY not in kept.read_text()
        async with facade_in_loop(text, tmp_path) as again:
            at.facade = again
            assert await cases(at) == before
            await again.get("/wrong/too")
            found = await recorded(at, 3)
            assert [each for each in found if each in before] == before
            # What is redacted is part of the setup: a rule that hides more applies to all cases that are kept.
            again.routes.write_text(text.replace("body:$[*].iban", "body:$[*].code"))
            await eventually(lambda: again.app.table.state.reloads == 1)
            assert await cases(at) == []


async def test_exported_cases_pass_on_the_incumbent_and_fail_on_a_broken_newcomer(
    tmp_path: Path,
) -> None:
    old, new = responding(rows("LHR")), responding(by_path)
    async with site(tmp_path, more=MORE, legacy=old, new=new) as at:
        for target in ("/wrong?x=1", "/right"):
            await at.facade.get(target, "accept: application/json")
        await recorded(at, 2)
        admin = f"{at.facade.admin.host}:{at.facade.admin.port}"
        words = ["export-cases", "list", "-o", str(tmp_path / "test_list.py"), "--admin", admin]
        assert await asyncio.to_thread(cli.main, words) == 0
        assert await run_tests(tmp_path / "test_list.py", at.legacy.url) == "2 passed"
        assert await run_tests(tmp_path / "test_list.py", at.new.url) == "1 failed, 1 passed"


async def run_tests(file: Path, url: str) -> str:
    """The summary of pytest, in an environment of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, file),
        env={**os.environ, "BASE_URL": url},
        cwd=file.parent,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return output.decode().splitlines()[-1].partition(" in ")[0]
