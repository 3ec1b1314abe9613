"""Promise X2: credentials are in no log line, and no request forges one."""

import json
import logging
from pathlib import Path

import pytest

from tests.faults.leak_check import leak_checked, table
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import final_status_of

CANARY = "c4n4ry-7f3a"
PLANTED = {
    "authorization": (f"Authorization: Bearer {CANARY}",),
    "basic": (f"Authorization: Basic {CANARY}",),
    "cookie": (f"Cookie: session={CANARY}; id={CANARY}",),
    "proxy": (f"Proxy-Authorization: Basic {CANARY}",),
    "API key": (f"X-Api-Key: {CANARY}",),
    "forwarded": (f"X-Forwarded-For: {CANARY}",),
    "referer": (f"Referer: https://h.example/?token={CANARY}",),
    "traceparent": (f"Traceparent: {CANARY}",),
}


@pytest.mark.parametrize("fields", PLANTED.values(), ids=PLANTED.keys())
async def test_a_credential_in_a_field_is_in_no_line(
    tmp_path: Path, tier: str, fields: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        origin(responding(ok())) as up,
        leak_checked(table(up.port), tmp_path, tier, up) as facade,
    ):
        assert final_status_of(await facade.get("/ok", *fields)) == 200
        assert final_status_of(await facade.get("/%2e%2e/%00", *fields)) == 400
        assert final_status_of(await facade.get("/long/" + "a" * 9000, *fields)) == 414
        await facade.get("/ok", *fields, "X : y")
        await facade.get("/ok", *fields, "X: \x01")
        log = facade.access_log
    written = log.read_text()
    assert written.count("\n") >= 3
    assert CANARY not in written
    assert CANARY not in caplog.text


async def test_a_credential_in_the_query_or_the_target_is_in_no_line(
    tmp_path: Path, tier: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        origin(responding(ok())) as up,
        leak_checked(table(up.port), tmp_path, tier, up) as facade,
    ):
        assert final_status_of(await facade.get(f"/ok?token={CANARY}")) == 200
        await facade.get(f"/%00?token={CANARY}")
        await facade.get(f"http://user:{CANARY}@facade.example/ok")
        await facade.get(f"/a#{CANARY}")
        await facade.send(f"GET /ok?t={CANARY} HTTP/9.9\r\nhost: h\r\n\r\n".encode())
        await facade.send(f"GET /ok\r\nhost: {CANARY}\x00\r\n\r\n".encode())
        log = facade.access_log
    assert CANARY not in log.read_text()
    assert CANARY not in caplog.text


FORGED = '{"status": 200, "forged": true}'


async def test_no_request_forges_a_line(tmp_path: Path, tier: str) -> None:
    targets = [
        b"/a%0a" + FORGED.encode().replace(b" ", b"%20"),
        b"/a%0d%0a%7b%22forged%22%3atrue%7d",
        b'/a","forged":"true',
        b"/a\\n{}",
        b"/\xe2\x80\xa8" + b"%e2%80%a8",
        b"/%1b[2J%1b[31m",
        b"/%c2%85%c2%9b",
    ]
    async with (
        origin(responding(ok())) as up,
        leak_checked(table(up.port), tmp_path, tier, up) as facade,
    ):
        for target in targets:
            await facade.send(b"GET %b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n" % target)
        for host in (b'a","forged":"x', b"a\nforged", b"a\x1b[2J"):
            raw = b"GET /a HTTP/1.1\r\nhost: %b\r\nconnection: close\r\n\r\n" % host
            await facade.send(raw)
        await facade.send(b"GE\x1bT / HTTP/1.1\r\nhost: h\r\n\r\n")
        log = facade.access_log
    raw_lines = log.read_bytes().splitlines()
    assert raw_lines
    for line in raw_lines:
        assert "forged" not in json.loads(line)
        assert all(0x20 <= byte < 0x7F or byte >= 0x80 for byte in line)
