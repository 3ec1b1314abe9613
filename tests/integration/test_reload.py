"""Editing routes.yaml while the facade serves: promises R1 to R5, in small."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watchfiles import Change

from proxy.control.table_bytes import unsettled_s
from proxy.telemetry.shared_memory import WorkerState
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import body_of, status_of
from tests.support.waiting import eventually

STATIC = """
version: 1
backends: {{b: http://127.0.0.1:1}}
routes: [{{name: all, direct_response: {{status: 200, body: "{body}"}}}}]
"""


def static(body: str) -> str:
    return STATIC.format(body=body)


async def served(facade: RunningFacade) -> str:
    return body_of(await facade.get("/")).decode()


async def admin(facade: RunningFacade, path: str) -> tuple[int, dict[str, Any]]:
    reader, writer = await asyncio.open_connection(facade.admin.host, facade.admin.port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n".encode())
    async with asyncio.timeout(5):
        response = await reader.read()
    writer.close()
    return status_of(response), json.loads(body_of(response))


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def renamed_over(path: Path, text: str) -> None:
    beside = path.with_name("routes.yaml.tmp")
    beside.write_text(text)
    beside.replace(path)


def like_vim(path: Path, text: str) -> None:
    path.replace(path.with_name("routes.yaml~"))
    path.write_text(text)


def deleted_and_made_anew(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def in_two_writes(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text[:20])
        file.flush()
        file.write(text[20:])


@pytest.mark.parametrize(
    "save", [in_place, renamed_over, like_vim, deleted_and_made_anew, in_two_writes]
)
async def test_an_edit_takes_effect(tmp_path: Path, save: Callable[[Path, str], None]) -> None:
    async with facade_in_loop(static("one"), tmp_path) as facade:
        first = facade.app.table.current.version
        assert await served(facade) == "one"
        for turn in range(5):
            save(facade.routes, static(f"turn {turn}"))
            version = facade.app.table.current
            await eventually(lambda: facade.app.table.current is not version, 2)  # noqa: B023
            assert await served(facade) == f"turn {turn}"
    assert facade.app.table.current.version != first


async def test_a_config_map_s_symlink_swap_takes_effect(tmp_path: Path) -> None:
    """As the kubelet does it: routes.yaml -> ..data/routes.yaml, ..data -> ..N, and ..data is renamed over."""
    mount = tmp_path / "mount"
    mount.mkdir()

    def publish(number: int) -> None:
        folder = mount / f"..{number}"
        folder.mkdir()
        (folder / "routes.yaml").write_text(static(f"map {number}"))
        link = mount / "..data_tmp"
        link.symlink_to(folder.name)
        link.replace(mount / "..data")

    publish(0)
    (mount / "routes.yaml").symlink_to("..data/routes.yaml")
    from proxy.server.app import build
    from proxy.server.settings import Settings
    from tests.support.facade_in_loop import LOOPBACK

    facade = build(Settings(mount / "routes.yaml", LOOPBACK, LOOPBACK, "none"))
    async with facade.running():
        for number in range(1, 5):
            publish(number)
            before = facade.table.current
            await eventually(lambda: facade.table.current is not before, 2)  # noqa: B023
            response = facade.table.current.table.routes[0].direct_response
            assert response is not None
            assert response.body == f"map {number}".encode()


BROKEN = {
    "empty": b"",
    "half-written": static("x").encode()[:40],
    "no YAML": b"{[",
    "a list": b"- 1\n",
    "a duplicate key": b"version: 1\nversion: 1\n",
    "an unknown backend": b"version: 1\nbackends: {}\nroutes: [{name: a, backend_refs: nobody}]\n",
    "binary": bytes(range(256)),
    "an alias bomb": b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nversion: 1\n",
    "too large": b"#" * (16 * 1024 * 1024 + 1),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_table_leaves_the_last_good_one_in_charge(
    tmp_path: Path, text: bytes
) -> None:
    async with facade_in_loop(static("good"), tmp_path) as facade:
        facade.routes.write_bytes(text)
        await eventually(lambda: not facade.app.table.state.ok, 2)
        assert await served(facade) == "good"
        status, ready = await admin(facade, "/readyz")
        assert status == 200
        assert ready["last_reload_ok"] is False
        assert ready["last_error"].startswith(str(facade.routes))
        assert ready["table_age_seconds"] >= 0
        facade.routes.write_text(static("better"))
        await eventually(lambda: facade.app.table.state.ok, 2)
        assert await served(facade) == "better"
        _, ready = await admin(facade, "/readyz")
        assert (ready["last_reload_ok"], ready["last_error"]) == (True, None)


@pytest.mark.parametrize(
    "lose", [Path.unlink, lambda path: path.chmod(0)], ids=["missing", "unreadable"]
)
async def test_a_table_that_cannot_be_read_leaves_the_last_one_in_charge(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    if os.geteuid() == 0 and lose is not Path.unlink:
        # Root reads everything; a directory in the file's place is as unreadable.
        def lose(path: Path) -> None:
            path.unlink()
            path.mkdir()

    async with facade_in_loop(static("good"), tmp_path) as facade:
        lose(facade.routes)
        await eventually(lambda: not facade.app.table.state.ok, 3)
        assert await served(facade) == "good"


async def test_a_file_that_stays_broken_while_it_changes_is_told(tmp_path: Path) -> None:
    async with facade_in_loop(static("good"), tmp_path) as facade:
        until = asyncio.get_running_loop().time() + 10
        number = 0
        while facade.app.table.state.ok:
            number += 1
            facade.routes.write_text(f"broken: {number}\n")
            await asyncio.sleep(0.03)
            assert asyncio.get_running_loop().time() < until
        assert await served(facade) == "good"


async def test_each_bad_edit_counts_also_with_the_same_message(tmp_path: Path) -> None:
    async with facade_in_loop(static("good"), tmp_path) as facade:
        state = facade.app.table
        for number in (1, 2, 3):
            facade.routes.write_text(f"broken: true # {number}\n")
            await facade.app.watcher.refresh()
            await facade.app.watcher.refresh()
            assert state.state.failures == number


async def test_what_else_happens_in_the_directory_is_not_looked_at(tmp_path: Path) -> None:
    async with facade_in_loop(static("good"), tmp_path) as facade:
        concerns = facade.app.watcher._concerns
        assert concerns(Change.modified, str(facade.routes))
        assert concerns(Change.added, str(tmp_path / "..data"))
        assert not concerns(Change.modified, str(tmp_path / "access.jsonl"))
        assert not concerns(Change.modified, str(tmp_path / "routes.yaml.history.jsonl"))


async def test_every_edit_by_hand_that_took_effect_is_in_the_history(tmp_path: Path) -> None:
    async with facade_in_loop(static("start"), tmp_path) as facade:
        versions = [facade.app.table.current.version]
        for number in range(30):
            before = facade.app.table.current
            facade.routes.write_text(static(f"edit {number}"))
            await eventually(lambda: facade.app.table.current is not before, 5)  # noqa: B023
            versions.append(facade.app.table.current.version)
        history = facade.routes.with_name("routes.yaml.history.jsonl")
        await eventually(lambda: len(history.read_text().splitlines()) == len(versions), 30)
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    assert [line["version_after"] for line in lines] == versions
    assert {line["action"] for line in lines[1:]} == {"edited by hand"}


async def test_going_back_to_the_same_bytes_is_a_recovery_and_no_reload(tmp_path: Path) -> None:
    async with facade_in_loop(static("good"), tmp_path) as facade:
        before = facade.app.table.current
        facade.routes.write_text("broken")
        await eventually(lambda: not facade.app.table.state.ok, 2)
        facade.routes.write_text(static("good"))
        await eventually(lambda: facade.app.table.state.ok, 2)
        assert facade.app.table.current is before


async def test_many_edits_in_a_row_end_on_the_last(tmp_path: Path) -> None:
    async with facade_in_loop(static("start"), tmp_path) as facade:
        for number in range(40):
            facade.routes.write_text(static(f"edit {number}"))
            await asyncio.sleep(0.02)

        def on_the_last() -> bool:
            response = facade.app.table.current.table.routes[0].direct_response
            return response is not None and response.body == b"edit 39"

        await eventually(on_the_last, 2)


async def test_no_request_fails_while_the_table_changes_under_load(tmp_path: Path) -> None:
    """Keep-alive clients ask without pause, while the table is edited 200 times, backends coming and going."""
    async with (
        origin(responding(ok(b"one"))) as one,
        origin(responding(ok(b"two"))) as two,
    ):

        def table(turn: int) -> str:
            first, second = (one, two) if turn % 2 else (two, one)
            extra = f"  spare{turn}: {second.url}\n" if turn % 3 else ""
            return (
                f"version: 1\nbackends:\n  main: {first.url}\n{extra}"
                "routes: [{name: all, backend_refs: main}]\n"
            )

        responses: list[int] = []
        async with facade_in_loop(table(0), tmp_path) as facade:
            done = asyncio.Event()

            async def client() -> None:
                reader, writer = await asyncio.open_connection(
                    facade.listen.host, facade.listen.port
                )
                while not done.is_set():
                    writer.write(b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n")
                    async with asyncio.timeout(10):
                        head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(3)
                    responses.append(status_of(head))
                    await asyncio.sleep(0.002)
                writer.close()

            clients = [asyncio.create_task(client()) for _ in range(4)]
            for turn in range(1, 201):
                before = facade.app.table.current
                renamed_over(facade.routes, table(turn))
                await eventually(lambda: facade.app.table.current is not before, 5)  # noqa: B023
            done.set()
            await asyncio.gather(*clients)
            reloads = facade.app.table.state.reloads
            await eventually(lambda: len(facade.app.upstream_stats()) <= 2)
    assert reloads == 200
    assert set(responses) == {200}
    assert len(responses) > 400


async def test_the_kill_switch_takes_effect_and_goes_again(tmp_path: Path) -> None:
    async with (
        origin(responding(ok(b"legacy"))) as legacy,
        origin(responding(ok(b"new"))) as new,
    ):
        text = (
            "version: 1\nkill_switch: false\n"
            f"backends: {{legacy: {legacy.url}, new: {new.url}}}\n"
            "routes: [{name: all, stage: live, backend_refs: {legacy: 0, new: 100}}]\n"
        )
        async with facade_in_loop(text, tmp_path) as facade:
            assert await served(facade) == "new"
            for switched, responses in (("true", "legacy"), ("false", "new")):
                before = facade.app.table.current
                facade.routes.write_text(text.replace("false", switched))
                await eventually(lambda: facade.app.table.current is not before, 2)  # noqa: B023
                assert await served(facade) == responses


async def test_the_admin_listener_tells_of_the_table(tmp_path: Path) -> None:
    async with facade_in_loop(static("x"), tmp_path) as facade:
        assert await admin(facade, "/healthz") == (200, {"status": "ok"})
        status, ready = await admin(facade, "/readyz")
        assert (status, ready["status"], ready["routes"]) == (200, "ready", 1)
        status, routes = await admin(facade, "/routes")
        assert status == 200
        assert routes["table_version"] == facade.app.table.current.version
        assert routes["table"] == [
            {
                "name": "all",
                "match": "everything",
                "stage": None,
                "backends": {},
                "direct_response": 200,
            }
        ]
        status, problem = await admin(facade, "/nothing")
        assert (status, problem["status"]) == (404, 404)
        facade.app.state = WorkerState.STOPPING
        assert (await admin(facade, "/readyz"))[0] == 503


def test_a_file_settles_a_moment_after_its_last_write(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    assert unsettled_s(path, 100.0) == 0
    path.write_text("half")
    os.utime(path, (100.0, 100.0))
    assert [round(unsettled_s(path, now), 3) for now in (100.0, 100.03, 100.04, 99.0)] == [
        0.04,
        0.01,
        0,
        0,
    ]
