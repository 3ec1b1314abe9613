"""Idle connections that the backend closes: retries of safe requests only (promises U6, W1; RFC 9110 9.2.2)."""

from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.origin import Script, ok, origin
from tests.support.waiting import eventually
from tests.support.wire import Cut, Wire, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRIES = 200
GET = b"GET /%d HTTP/1.1\r\nhost: h\r\n\r\n"
POST = b"POST /%d HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody"
BARE_POST = b"POST /%d HTTP/1.1\r\nhost: h\r\n\r\n"
UPLOADING_GET = b"GET /%d HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody"
DELETE = b"DELETE /%d HTTP/1.1\r\nhost: h\r\n\r\n"


class Fickle:
    """Responds to the first request of each connection; reads the whole second one, and closes without a response."""

    def __init__(self, end: str) -> None:
        self._end = end
        self.seen: list[bytes] = []

    async def __call__(self, wire: Wire) -> None:
        self.seen.append((await wire.request()).head.target)
        wire.send(ok())
        self.seen.append((await wire.request()).head.target)
        if self._end == "reset":
            wire.reset()

    def times(self, number: int) -> int:
        return self.seen.count(b"/%d" % number)


def closing_when_idle(seen: list[bytes]) -> Script:
    """Responds once on a connection and then closes it: the facade may or may not have noticed the close."""

    async def script(wire: Wire) -> None:
        seen.append((await wire.request()).head.target)
        wire.send(ok())

    return script


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_safe_request_never_fails_by_a_stale_connection(
    end: str, tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.3.1; finding 3."""
    script = Fickle(end)
    async with origin(script) as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            for number in range(TRIES):
                wire.send(GET % number)
                got = await wire.response()
                assert (got.head.status, got.body) == (200, b"ok"), number
    assert all(1 <= script.times(number) <= 2 for number in range(TRIES))


@pytest.mark.parametrize("raw", [POST, BARE_POST, DELETE, UPLOADING_GET])
async def test_what_may_have_been_received_is_never_sent_again(
    raw: bytes, tier: Tier, tmp_path: Path
) -> None:
    """RFC 9110 9.2.2; promise W1: 502, and the origin saw it once."""
    script = Fickle("close")
    async with origin(script) as made, facade(tier, table(made.url), tmp_path) as up:
        statuses = await _alternate(up.listen.port, raw)
    assert statuses == [502] * TRIES
    assert all(script.times(number) == 1 for number in range(TRIES))


async def _alternate(port: int, raw: bytes) -> list[int]:
    """A GET that leaves an idle connection behind, then `raw` over that one; so often."""
    statuses = []
    async with connected("127.0.0.1", port) as wire:
        for number in range(TRIES):
            wire.send(GET % (TRIES + number))
            assert (await wire.response()).head.status == 200
            wire.send(raw % number)
            statuses.append((await wire.response()).head.status)
    return statuses


@pytest.mark.parametrize("raw", [GET, POST], ids=["GET", "POST"])
async def test_an_origin_that_closes_at_once_races_with_the_next_request(
    raw: bytes, tier: Tier, tmp_path: Path
) -> None:
    """Promise U6: a GET never fails. Promise W1: a POST is seen at most once, and a 200 is one that was seen."""
    seen: list[bytes] = []
    async with origin(closing_when_idle(seen)) as made:
        async with facade(tier, table(made.url), tmp_path) as up, client(up) as wire:
            for number in range(TRIES):
                wire.send(raw % number)
                status = (await wire.response()).head.status
                target = b"/%d" % number
                if raw is GET:
                    assert status == 200
                elif status == 200:
                    assert seen.count(target) == 1
                else:
                    assert (status, seen.count(target) <= 1) == (502, True)


async def test_a_close_that_is_known_fails_no_request(tier: Tier, tmp_path: Path) -> None:
    """RFC 9112 9.3.1: a POST after it goes over a new connection."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            for number in range(20):
                wire.send(POST % number)
                upstream = await made.connection(number + 1)
                await upstream.request()
                upstream.send(ok())
                assert (await wire.response()).head.status == 200
                upstream.close()
                await eventually(lambda: not up.app.upstream_stats()["legacy"].connections)


async def test_surplus_bytes_of_an_idle_connection_reach_nobody(tier: Tier, tmp_path: Path) -> None:
    """Promise U5; findings 9 and 12."""
    evil = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(GET % 1)
            first = await made.connection()
            await first.request()
            first.send(ok(b"one") + evil)
            assert (await wire.response()).body == b"one"
            wire.send(GET % 2)
            second = await made.connection(2)
            await second.request()
            second.send(ok(b"two"))
            assert (await wire.response()).body == b"two"
        with pytest.raises(Cut):
            await first.more()


async def test_an_idle_connection_is_given_up_in_time(tier: Tier, tmp_path: Path) -> None:
    """Finding 17: ours is shorter than the origin's usual 5 s."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(GET % 1)
            upstream = await made.connection()
            await upstream.request()
            upstream.send(ok())
            assert (await wire.response()).head.status == 200
            with pytest.raises(Cut):
                await upstream.more()
            await eventually(
                lambda: all(s.connections == 0 for s in up.app.upstream_stats().values())
            )
