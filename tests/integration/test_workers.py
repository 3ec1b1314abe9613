"""Several workers: they share traffic, counters and the access log; a dead worker is replaced."""

import contextlib
import functools
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.facade_process import TABLE, FacadeProcess, facade_process
from tests.support.waiting import until

BLOCKED = """
version: 1
backends: {{slow: http://127.0.0.1:{port}}}
routes: [{{name: all, backend_refs: slow}}]
"""


@contextlib.contextmanager
def two(
    folder: Path, *arguments: str, table: str = TABLE, stdout: int | None = None
) -> Iterator[FacadeProcess]:
    with facade_process(folder, "--workers", "2", *arguments, table=table, stdout=stdout) as facade:
        yield facade


def serving(facade: FacadeProcess) -> int:
    return int(facade.admin_json("/readyz")["workers_serving"])


def workers(facade: FacadeProcess) -> list[int]:
    """The pids of the workers: the admin process is the one that listens on the admin port."""
    return [pid for pid in facade.children() if not _is_admin(pid, facade.admin.port)]


def _is_admin(pid: int, port: int) -> bool:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    listening = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            listening.add(os.readlink(fd))
    return bool(inodes & listening)


def replaced(facade: FacadeProcess, victim: int) -> bool:
    return victim not in facade.children() and serving(facade) == 2


def by_worker(facade: FacadeProcess, name: str) -> list[float]:
    return [value for (at, _), value in facade.metrics().items() if at == name]


def test_connections_spread_over_the_workers(tmp_path: Path) -> None:
    with two(tmp_path) as facade, contextlib.ExitStack() as stack:
        for _ in range(400):
            made = socket.create_connection(("127.0.0.1", facade.port))
            stack.enter_context(contextlib.closing(made))
        until(lambda: facade.total("facade_client_connections") == 400)
        # A hash deals them out: four standard deviations around the mean.
        assert all(160 <= each <= 240 for each in by_worker(facade, "facade_client_connections"))


def test_counters_are_exact_over_workers_and_survive_a_kill(tmp_path: Path) -> None:
    with two(tmp_path) as facade:
        for _ in range(100):
            assert facade.get("/hello") == (200, b"hello")
        assert facade.total("facade_requests_total") == 100
        for victim in workers(facade):
            os.kill(victim, signal.SIGKILL)
            until(functools.partial(replaced, facade, victim))
            assert facade.total("facade_requests_total") == 100
        for _ in range(50):
            assert facade.get("/hello") == (200, b"hello")
        assert facade.total("facade_requests_total") == 150
        assert facade.total("facade_request_duration_seconds_count") == 150
        assert facade.total("facade_worker_restarts_total") == 2


def test_a_killed_worker_is_back_within_five_seconds_and_no_new_connection_fails(
    tmp_path: Path,
) -> None:
    with two(tmp_path) as facade:
        victim = workers(facade)[0]
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        # Those dealt to the dead worker wait in its backlog for the next one.
        for _ in range(20):
            assert facade.get("/hello") == (200, b"hello")
        until(lambda: serving(facade) == 2, 5)
        assert time.monotonic() - killed < 5
        assert facade.logged(f"worker 1 (pid {victim}) ended by SIGKILL: starting it anew")


def restarted(facade: FacadeProcess, times: int) -> bool:
    """Whether that many children were restarted, and the last one runs."""
    return sum("anew" in line for line in facade.log) == times and len(facade.children()) == 3


def test_a_worker_that_keeps_dying_is_restarted_with_backoff(tmp_path: Path) -> None:
    with two(tmp_path) as facade:
        victim = workers(facade)[-1]
        for restarts in range(1, 4):
            os.kill(victim, signal.SIGKILL)
            until(functools.partial(restarted, facade, restarts))
            victim = facade.children()[-1]
        until(lambda: serving(facade) == 2)
        waits = [line.rpartition(" in ")[2].strip() for line in facade.log if "anew" in line]
        assert waits[0] == "0.0 s"
        assert len(waits) == 3
        assert waits.count("0.0 s") < 3


def test_the_admin_process_is_replaced_too(tmp_path: Path) -> None:
    with two(tmp_path) as facade:
        (victim,) = set(facade.children()) - set(workers(facade))
        os.kill(victim, signal.SIGKILL)
        until(lambda: facade.admin_json("/readyz")["status"] == "ready")
        assert facade.get("/hello") == (200, b"hello")


def test_a_worker_with_a_blocked_event_loop_is_not_alive_and_is_replaced(tmp_path: Path) -> None:
    with two(tmp_path) as facade:
        victim = workers(facade)[0]
        os.kill(victim, signal.SIGSTOP)
        until(lambda: facade.get("/healthz", admin=True)[0] == 503, 15)
        until(lambda: facade.get("/healthz", admin=True)[0] == 200 and serving(facade) == 2)
        assert facade.logged(f"worker 1 (pid {victim}) does not answer: killing it")
        assert victim not in facade.children()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_processes_end_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with two(tmp_path) as facade:
        children = facade.children()
        assert len(children) == 3
        assert facade.stop(number) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_workers_end_when_their_supervisor_is_gone(tmp_path: Path) -> None:
    with two(tmp_path) as facade:
        children = facade.children()
        facade.popen.kill()
        facade.popen.wait()
        until(lambda: not any(alive(pid) for pid in children))


def alive(pid: int) -> bool:
    """Not even a zombie: without its parent, nobody has to reap it in time."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_worker_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    with two(tmp_path, "--drain", "0s") as facade:
        os.kill(workers(facade)[0], signal.SIGSTOP)
        assert facade.stop() == 0
        assert facade.logged("has not ended in time")


def test_a_second_signal_ends_the_drain(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        table = BLOCKED.format(port=silent.getsockname()[1])
        with two(tmp_path, "--drain", "60s", table=table) as facade:
            with socket.create_connection(("127.0.0.1", facade.port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                held, _ = silent.accept()
                with held:
                    facade.popen.send_signal(signal.SIGTERM)
                    until(lambda: facade.get("/readyz", admin=True)[0] == 503)
                    assert facade.stop() == 0
        assert not facade.logged("has not ended in time")


def test_every_worker_loads_an_edit_and_one_process_records_it(tmp_path: Path) -> None:
    with two(tmp_path) as facade:
        (tmp_path / "routes.yaml").write_text(TABLE.replace("body: hello", "body: bye"))
        versions = {facade.admin_json("/readyz")["table_version"]}

        def all_have_it() -> bool:
            tables = [
                dict(labels)["version"]
                for name, labels in facade.metrics()
                if name == "facade_worker_table_info"
            ]
            return len(tables) == 2 and len(set(tables)) == 1 and not versions & set(tables)

        until(all_have_it)
        assert {facade.get("/hello") for _ in range(20)} == {(200, b"bye")}
        history = tmp_path / "routes.yaml.history.jsonl"
        until(lambda: len(history.read_text().splitlines()) == 2)
        assert facade.stop() == 0
        assert len(history.read_text().splitlines()) == 2
        assert sum("is in effect" in line for line in facade.log) == 1


def lines_of_two_workers(facade: FacadeProcess, count: int) -> None:
    """Ask from several connections at once, so that both have long lines to write."""

    def ask() -> None:
        for _ in range(count // 8):
            assert facade.get("/hello/" + "x" * 3000)[0] == 502

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for each in asking:
        each.start()
    for each in asking:
        each.join(30)


def test_lines_of_the_access_log_do_not_mix_in_a_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with two(tmp_path, "--access-log", str(log)) as facade:
        lines_of_two_workers(facade, 400)
        assert facade.stop() == 0
    assert len([json.loads(line) for line in log.read_text().splitlines()]) == 400


def test_lines_of_the_access_log_do_not_mix_in_a_pipe_that_is_read_slowly(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    got: list[bytes] = []

    def read() -> None:
        # A little at a time: the pipe is full, and takes batches in parts.
        while data := os.read(reads, 10_000):
            got.append(data)
            time.sleep(0.002)

    reading = threading.Thread(target=read)
    with two(tmp_path, "--access-log", "-", stdout=writes) as facade:
        os.close(writes)
        reading.start()
        lines_of_two_workers(facade, 2000)
        assert facade.stop() == 0
    reading.join(30)
    os.close(reads)
    lines = [json.loads(line) for line in b"".join(got).splitlines()]
    dropped = 2000 - len(lines)
    assert dropped == 0


def test_a_port_that_another_facade_has_is_refused(tmp_path: Path) -> None:
    with two(tmp_path) as facade:
        taken = f"127.0.0.1:{facade.port}"
        with (
            pytest.raises(AssertionError, match=rf"cannot listen on {taken}.*with --listen"),
            two(tmp_path, "--listen", taken),
        ):
            pass


def test_an_invalid_table_is_reported_once(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError) as refused,
        two(tmp_path, table="version: 1\nbackends: {a: x}\n"),
    ):
        pass
    assert str(refused.value).count("routes.yaml:2:15:") == 1
