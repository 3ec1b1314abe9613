"""Access to the admin listener: with and without a token, and never from the traffic listener (promise X1)."""

import asyncio
import json
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from proxy.server.settings import Address, Tier, Token
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.facade_process import ROOT, TABLE, command, facade_process
from tests.support.ports import free_port
from tests.support.waiting import until

TOKEN = "not-a-secret-0123456789"
PATHS = ["/healthz", "/readyz", "/routes", "/explain?url=/", "/metrics"]
ONLY_HELLO = """
version: 1
backends: {legacy: http://127.0.0.1:1}
routes:
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: hello}}
"""


WITH_TOKEN = Token(sha256(TOKEN.encode()).digest())


async def ask(
    facade: RunningFacade, path: str, *headers: str, method: str = "GET"
) -> tuple[int, str, bytes]:
    """Status, head and body of a response of the admin listener."""
    response = await facade.get(path, *headers, method=method, admin=True)
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head.decode().lower(), body


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_token_every_path_is_served(tmp_path: Path, path: str) -> None:
    async with facade_in_loop(ONLY_HELLO, tmp_path) as facade:
        status, _, body = await ask(facade, path)
        assert status == 200
        assert len(body) > 10


@pytest.mark.parametrize(("path", "word"), [("/healthz", "ok"), ("/readyz", "ready")])
async def test_with_a_token_a_probe_responds_with_its_status_alone(
    tmp_path: Path, path: str, word: str
) -> None:
    async with facade_in_loop(ONLY_HELLO, tmp_path, admin_token=WITH_TOKEN) as facade:
        status, _, body = await ask(facade, path)
        assert (status, json.loads(body)) == (200, {"status": word})


@pytest.mark.parametrize(
    "path", [*PATHS[2:], "/", "/nothing", "/healthz/", "/HEALTHZ", "//healthz"]
)
@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("authorization: Bearer ",),
        ("authorization: Bearer " + TOKEN[:-1],),
        ("authorization: Bearer " + TOKEN + "0",),
        ("authorization: Basic " + TOKEN,),
        ("authorization: " + TOKEN,),
        ("authorization: Bearer " + TOKEN, "authorization: Bearer " + TOKEN),
        ("x-authorization: Bearer " + TOKEN,),
    ],
    ids=lambda headers: " ".join(headers) or "none",
)
async def test_all_other_paths_require_the_token(
    tmp_path: Path, path: str, headers: tuple[str, ...]
) -> None:
    async with facade_in_loop(ONLY_HELLO, tmp_path, admin_token=WITH_TOKEN) as facade:
        status, head, body = await ask(facade, path, *headers)
        assert status == 401
        assert "content-type: application/problem+json" in head
        assert "www-authenticate: bearer" in head
        said = json.loads(body)
        assert (said["status"], said["title"]) == (401, "Unauthorized")
        assert TOKEN[:-1] not in body.decode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_request_with_the_token_is_served(tmp_path: Path, path: str, scheme: str) -> None:
    async with facade_in_loop(ONLY_HELLO, tmp_path, admin_token=WITH_TOKEN) as facade:
        status, _, _ = await ask(facade, path, f"authorization: {scheme} {TOKEN}")
        assert status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_no_admin_path_is_on_the_traffic_listener(
    tmp_path: Path, path: str, method: str
) -> None:
    async with facade_in_loop(ONLY_HELLO, tmp_path) as facade:
        response = await facade.get(path, f"host: {facade.admin}", method=method)
        status = int(response.split(b" ", 2)[1])
        # Two Host fields are refused; with one, the table has no such route.
        assert status == 400
        response = await facade.get(path, method=method)
        assert int(response.split(b" ", 2)[1]) == 404
        assert b'"reason": "no_route"' in response


async def test_the_admin_listener_forwards_nothing(tmp_path: Path) -> None:
    async with facade_in_loop(ONLY_HELLO, tmp_path, admin_token=WITH_TOKEN) as facade:
        assert (await ask(facade, "/hello", f"authorization: Bearer {TOKEN}"))[0] == 404
        upgrade = ("upgrade: websocket", "sec-websocket-key: eA==", "sec-websocket-version: 13")
        lines = ["GET /hello HTTP/1.1", "host: a", "connection: upgrade, close", *upgrade, "", ""]
        response = await facade.send("\r\n".join(lines).encode(), admin=True)
        assert response.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("tier", ["fast", "asgi"])
@pytest.mark.parametrize("via", ["on", "off"])
@pytest.mark.parametrize("path", PATHS)
async def test_the_admin_listener_is_not_reached_through_a_route(
    tmp_path: Path, path: str, tier: Tier, via: str
) -> None:
    """A table may name its address, by mistake or by malice, under whatever name: what comes over us is refused."""
    admin = Address("127.0.0.1", free_port())
    routes = (
        f"backends: {{b: http://localhost:{admin.port}}}, routes: [{{name: all, backend_refs: b}}]"
    )
    table = f"{{version: 1, {routes}, defaults: {{forwarded: {{via: {via}}}}}}}"
    async with facade_in_loop(table, tmp_path, admin=admin, tier=tier) as facade:
        response = await facade.get(path)
        assert response.startswith(b"HTTP/1.1 403 ")
        assert b"table" not in response.partition(b"\r\n\r\n")[2]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(stat.S_IRUSR)
    return file


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_process_requires_the_token_and_never_logs_it(
    tmp_path: Path, token_file: Path, workers: str
) -> None:
    token = ("--admin-token-file", str(token_file), "--workers", workers)
    with facade_process(tmp_path, *token, "--admin", "0.0.0.0:0") as facade:
        until(lambda: facade.get("/readyz", admin=True)[0] == 200)
        assert facade.get("/metrics", admin=True)[0] == 401
        right = {"authorization": f"Bearer {TOKEN}"}
        assert facade.get("/metrics", admin=True, headers=right)[0] == 200
        assert facade.get("/metrics", headers=right)[0] == 502
        assert facade.stop() == 0
        assert TOKEN not in "".join(facade.log)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_listener_opens_to_others_without_a_token(tmp_path: Path, workers: str) -> None:
    (tmp_path / "routes.yaml").write_text(TABLE)
    ended = subprocess.run(
        command("--routes", str(tmp_path / "routes.yaml"), "--admin", "0.0.0.0:0"),
        cwd=ROOT,
        env={"FACADE_WORKERS": workers},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "others can reach it, so it needs a token" in ended.stderr


async def test_the_commands_send_the_token_to_a_running_facade(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    async with facade_in_loop(ONLY_HELLO, tmp_path, admin_token=WITH_TOKEN) as facade:
        argv = [
            sys.executable,
            "-m",
            "proxy",
            "routes",
            "--json",
            "--live",
            f"http://{facade.admin}",
        ]

        async def told(*more: str) -> tuple[int | None, str, str]:
            asking = await asyncio.create_subprocess_exec(
                *argv, *more, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            out, err = await asyncio.wait_for(asking.communicate(), 20)
            return asking.returncode, out.decode(), err.decode()

        code, _, err = await told()
        assert (code, "--admin-token-file" in err, TOKEN in err) == (2, True, False)
        code, out, _ = await told("--admin-token-file", str(file))
        assert (code, json.loads(out)["table"][0]["name"]) == (0, "hello")
