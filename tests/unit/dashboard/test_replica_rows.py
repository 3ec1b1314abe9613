"""The rows of replicas: this one first, each once, and what differs in words."""

from msgspec.structs import replace

from proxy.dashboard.replica_report import ReplicaReport, WorkerTable
from proxy.dashboard.replica_rows import Found, replica_rows

SERVING = WorkerTable("serving", "aaa")
OWN = ReplicaReport("me", "host-1", "aaa", 1e9, True, (SERVING, SERVING))
OTHER = replace(OWN, replica="other", host="host-2")


def notes(*found: Found, own: ReplicaReport = OWN) -> list[tuple[str, str, bool]]:
    return [(row.place, row.note, row.is_bad) for row in replica_rows(found, own)]


def test_this_one_comes_first_and_each_replica_once() -> None:
    found = (Found("b:1", OTHER), Found("a:1", OWN), Found("[::1]:1", OTHER))
    assert notes(*found) == [("a:1", "this one", False), ("b:1", "same table", False)]


def test_this_one_is_shown_as_it_is_now() -> None:
    now = replace(OWN, table_version="bbb", workers=(WorkerTable("serving", "bbb"),))
    row, other = replica_rows([Found("a:1", OWN), Found("b:1", OTHER)], now)
    assert (row.version, row.note) == ("bbb", "this one")
    assert (other.version, other.note, other.is_bad) == (
        "aaa",
        "its table differs from this one's",
        True,
    )


def test_a_worker_with_another_table_is_named() -> None:
    behind = replace(
        OTHER, workers=(SERVING, WorkerTable("serving", "old"), WorkerTable("down", ""))
    )
    _, row = replica_rows([Found("a:1", OWN), Found("b:1", behind)], OWN)
    assert (row.workers, row.note) == ("2 of 3 serving", "worker 2 still has old")


def test_faults_of_this_one_are_shown_as_well() -> None:
    refused = replace(OWN, last_reload_ok=False)
    assert notes(Found("a:1", OWN), own=refused) == [
        ("a:1", "this one; its newest edit is refused", True)
    ]


def test_a_replica_without_a_report_is_last_with_its_reason() -> None:
    found = (Found("c:1", None, "no response\n" + "x" * 500), Found("b:1", OTHER))
    own, _, silent = notes(*found)
    assert own == ("–", "this one; it is not among the addresses of --replicas", False)
    assert silent[:2] == ("c:1", f"not reachable: no response\N{REPLACEMENT CHARACTER}{'x' * 188}…")
