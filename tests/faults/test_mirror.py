"""A mirror cannot fail or fatten the requests that it copies (rule 6, promise M2). A facade process of its own."""

import socket
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.faults.misbehaving import (
    BODY,
    Behave,
    answers_a_gigabyte,
    backend,
    drips,
    floods,
    hangs,
    resets,
    responds,
)
from tests.support.facade_in_loop import TIERS
from tests.support.facade_process import FacadeProcess, facade_process
from tests.support.waiting import until

TABLE = """
version: 1
backends: {{legacy: "{legacy}", new: "{new}"}}
routes:
- name: list
  stage: shadow
  backend_refs: [legacy, new]
  mirror: {{max_concurrency: 8, timeout: 60s, compare: {{body: {{type: bytes}}}}}}
"""
_MOST_BYTES = 14 * 1024 * 1024
"""10 MiB, and a margin for the allocator."""
_ROUNDS, _REQUESTS = 5, 40


def served(facade: FacadeProcess, count: int) -> None:
    """Send requests over one connection, and check each response."""
    address = (facade.listen.host, facade.listen.port)
    with socket.create_connection(address, 20) as client, client.makefile("rb") as reader:
        for _ in range(count):
            client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            while reader.readline() != b"\r\n":
                pass
            assert reader.read(len(BODY)) == BODY


def accounted(facade: FacadeProcess) -> float:
    """Requests whose copy ended, was dropped, or is among the eight that may be sent now."""
    names = ("facade_mirror_dropped_total", "facade_mirror_compared_total")
    return sum(map(facade.total, names)) + 8


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("behave", [hangs, resets, floods, answers_a_gigabyte, drips])
def test_a_mirror_that_misbehaves_leaves_requests_and_memory_alone(
    behave: Behave, tier: Tier, tmp_path: Path
) -> None:
    with backend(responds) as legacy, backend(behave) as new:
        table = TABLE.format(legacy=legacy, new=new)
        with facade_process(tmp_path, "--tier", tier, table=table) as facade:
            served(facade, 20)
            # The mirror process starts with the first table that has a mirror, and gets what was sent meanwhile.
            until(lambda: accounted(facade) >= 20, 60)
            before = highest = facade.resident_bytes
            for _ in range(_ROUNDS):
                served(facade, _REQUESTS)
                highest = max(highest, facade.resident_bytes)
            until(lambda: accounted(facade) >= 20 + _ROUNDS * _REQUESTS, 60)
            highest = max(highest, facade.resident_bytes)
            assert highest - before < _MOST_BYTES, f"{(highest - before) >> 10} KiB more"
            assert facade.total("facade_mirror_copies_total") > 0
            assert not facade.logged("Traceback")
