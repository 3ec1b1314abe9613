"""What is read from /proc, on texts as the kernel writes them, and once on this very process."""

import os
import socket

import pytest

from tests.support import procfs

_TICKS = os.sysconf("SC_CLK_TCK")
_STAT = "4711 (a) b) S 42 1 1 0 -1 4194560 1 2 3 4 100 50 30 20 20 0 1 0 999 1000 10"
_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1
   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 12 1
   2: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 13 1
   3: 0100007F:1F90 0100007F:C002 01 00000000:00000000 00:00000000 00000000     0        0 14 1
   4: 0100007F:1F90 0100007F:C003 06 00000000:00000000 00:00000000 00000000     0        0 0 3
"""


def test_cpu_is_user_and_system_with_that_of_ended_children() -> None:
    assert procfs.cpu_of(_STAT) == (100 + 50 + 30 + 20) / _TICKS


def test_a_parenthesis_in_a_name_does_not_shift_the_fields() -> None:
    assert procfs.parent_of(_STAT) == 42


def test_descendants_are_found_at_any_depth_and_nobody_else() -> None:
    assert procfs.descendants(10, {10: 1, 11: 10, 12: 11, 13: 12, 20: 1, 21: 20}) == {
        10,
        11,
        12,
        13,
    }


def test_a_core_is_busy_with_all_but_idling_and_waiting_and_counts_what_was_stolen() -> None:
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu1 100 1 20 5000 600 3 4 7 0 0\ncpu11 1 1 1 1 1 1 1 1 0 0\n"
    assert procfs.busy_of(stat, 1) == (100 + 1 + 20 + 3 + 4 + 7) / _TICKS
    assert procfs.stolen_of(stat, 1) == 7 / _TICKS
    with pytest.raises(ValueError, match="no core 2"):
        procfs.busy_of(stat, 2)


def test_resident_memory_is_the_sum_and_not_a_part_of_it() -> None:
    rollup = "00400000-7ffc [rollup]\nRss:    2048 kB\nPss:    1024 kB\nRss_Anon: 7 kB\n"
    assert procfs.resident_of(rollup) == 2048 * 1024
    with pytest.raises(ValueError, match="Rss"):
        procfs.resident_of("Pss: 1 kB\n")


def test_only_established_connections_to_the_port_are_counted() -> None:
    assert procfs.accepted_inodes(_TCP, 8080) == {"12", "14"}


def test_each_process_has_its_share_of_the_connections() -> None:
    held = {
        1: ["socket:[12]", "/dev/null", "pipe:[14]"],
        2: ["socket:[14]", "socket:[99]"],
        3: [""],
    }
    assert procfs.shares(held, {"12", "14"}) == {1: 1, 2: 1}


def test_this_process_has_used_cpu_and_memory_and_holds_its_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            with accepted:
                assert procfs.connections_of(os.getpid(), port) == {os.getpid(): 1}
    assert procfs.cpu_s(os.getpid()) > 0
    assert procfs.resident_bytes(os.getpid()) > 1_000_000


def test_the_kernel_says_how_much_it_may_hold_of_a_connection() -> None:
    assert 1_000_000 < procfs.tcp_buffer_bytes() < 10_000_000_000
