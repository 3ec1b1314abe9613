"""A mirror that does not respond gets few copies, until it responds again: the breaker of copies (ADR 34)."""

import asyncio
import time
from pathlib import Path

import pytest

from proxy.mirroring.breaker import MAX_FAILURES, TRIAL_S, Breaker
from proxy.server.settings import Tier
from tests.integration.mirror_site import Site, site
from tests.support.facade_in_loop import TIERS
from tests.support.origin import ok
from tests.support.waiting import eventually
from tests.support.wire import Wire

_COMPARED = "mirror: {compare: {body: {type: bytes}}}"


class Newcomer:
    """A script that closes each connection without a response, or sends a long one, while it is broken."""

    def __init__(self, instead: bytes) -> None:
        self.is_broken = True
        self.asked = 0
        self._instead = instead

    async def __call__(self, wire: Wire) -> None:
        while True:
            await wire.request()
            self.asked += 1
            wire.send(self._instead if self.is_broken else ok(b"legacy"))
            await wire.flush()
            if self.is_broken:
                return


async def requests(at: Site, count: int) -> None:
    for _ in range(count):
        await at.facade.get("/")


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    "instead",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(1_000_000)],
    ids=["no response", "a long response"],
)
async def test_few_copies_until_a_response(tier: Tier, instead: bytes, tmp_path: Path) -> None:
    new = Newcomer(instead)
    async with site(tmp_path, tier=tier, more=_COMPARED, new=new) as at:
        async with asyncio.timeout(60):
            while not at.copies.dropped.get("circuit_open"):
                await requests(at, 1)
                await asyncio.sleep(0.01)
        assert at.copies.sent >= MAX_FAILURES
        asked, began = new.asked, time.monotonic()
        await requests(at, 30)
        await eventually(lambda: at.copies.sent + at.copies.dropped["circuit_open"] >= 50)
        assert new.asked - asked <= (time.monotonic() - began) / TRIAL_S + 1
        new.is_broken = False
        before = at.copies.equal
        async with asyncio.timeout(20):
            while at.copies.equal == before:
                await requests(at, 1)
                await asyncio.sleep(0.05)
        dropped = at.copies.dropped["circuit_open"]
        await requests(at, 30)
        await eventually(lambda: at.copies.equal >= before + 30)
        assert at.copies.dropped["circuit_open"] == dropped


def test_one_copy_in_a_while_tries_again() -> None:
    breaker = Breaker()
    for _ in range(MAX_FAILURES):
        assert breaker.admits(100.0)
        breaker.ended(failed=True)
    assert [breaker.admits(100.0 + TRIAL_S * at) for at in (0, 0.5, 0.9, 1, 1.5)] == [
        *(True, False, False, True, False),
    ]
    breaker.ended(failed=False)
    assert breaker.admits(100.0)


def test_failures_that_are_not_in_a_row_do_not_count() -> None:
    breaker = Breaker()
    for number in range(3 * MAX_FAILURES):
        breaker.ended(failed=number % MAX_FAILURES != 0)
        assert breaker.admits(0.0)
        assert breaker.admits(0.0)
