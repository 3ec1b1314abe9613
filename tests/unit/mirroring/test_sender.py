"""What a worker hands over, and what it drops and counts instead."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from proxy.comparison.observation import Observation
from proxy.http1.response_head import ResponseFields, ResponseHead
from proxy.mirroring.copied_exchange import CopiedExchange
from proxy.mirroring.sender import CopySender
from proxy.mirroring.served import Batch, CopiedRequest, Served, served_request
from proxy.model import CompareRules, Decision, Mirror
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import NO_IDENTITY
from tests.make import facts, refs, route, snapshot, table

HEAD = ResponseHead(200, False, ResponseFields([]))
ROUTE = replace(
    route("r", to=refs(legacy=100, new=0)),
    mirror=Mirror(max_body_bytes=8, compare=CompareRules()),
)


class Receiver:
    """Takes batches, unless it is full."""

    def __init__(self) -> None:
        self.is_full = False
        self.batches: list[Batch] = []

    def receive(self, batch: Batch) -> None:
        self.batches.append(batch)


class Counted:
    """The drops that are counted for the metrics."""

    def __init__(self) -> None:
        self.drops: list[tuple[str, str]] = []

    def count_drop(self, route: str, reason: str) -> None:
        self.drops.append((route, reason))


def asked() -> CopiedRequest:
    decision = Decision(
        ROUTE, "stage", ROUTE.backend_refs[0], mirrored_to=("new",), match=ROUTE.matches[0]
    )
    return CopiedRequest(facts(), decision, NO_IDENTITY)


class Usual:
    """A usual request. `served` is what is handed over of it."""

    began = 0.0
    copied_route = ROUTE

    def __init__(self, snapshot: Snapshot, served: Callable[[bytes], Served | None]) -> None:
        self.snapshot = snapshot
        self.served = served

    def handed_over(self, head: ResponseHead, body: bytes, at: float) -> Served | None:
        return self.served(body)

    def begin_copy(self, copies: CopySender) -> CopiedExchange:
        return copies.begin(ROUTE, self.snapshot, asked, b"", self.began)


def usual(body: bytes) -> Served | None:
    return served_request("1", asked(), b"", Observation(200, body=body, duration_s=1.0), 1.0)


def has_another_bug(body: bytes) -> Served | None:
    raise RuntimeError("another defect")


def has_a_bug() -> CopiedRequest:
    raise RuntimeError("a defect")


class Worker:
    """A sender, and what becomes of its requests."""

    def __init__(self) -> None:
        self.receiver, self.counted = Receiver(), Counted()
        self.sender = CopySender(self.receiver, self.counted, gather_s=0.0)
        self.snapshot: Snapshot = snapshot(table(ROUTE))

    async def serve(
        self,
        request: Callable[[], CopiedRequest] = asked,
        body: bytes | None = b"",
        pieces: tuple[bytes, ...] = (),
        response: bytes = b"ok",
    ) -> None:
        exchange = self.sender.begin(ROUTE, self.snapshot, request, body, 0.0)
        for piece in pieces:
            exchange.request_data(piece)
        if pieces:
            exchange.request_ended()
        exchange.whole(HEAD, response, 1.0)
        await self.gathered()

    async def gathered(self) -> None:
        """Wait until what has ended is handed over."""
        while self.sender.waiting:
            await asyncio.sleep(0)


async def test_a_request_is_handed_over_with_its_response() -> None:
    worker = Worker()
    await worker.serve(body=None, pieces=(b"a", b"b"))
    (batch,) = worker.receiver.batches
    (served,) = batch.requests
    assert (served.body, served.response.status, served.response.body) == (b"ab", 200, b"ok")
    assert (served.route, served.backend, served.copied_to) == ("r", "legacy", "new")
    assert served.response.duration_s == 1.0
    assert worker.sender.kept.now == 0


async def test_requests_that_end_together_are_one_batch() -> None:
    worker = Worker()
    for _ in range(3):
        exchange = worker.sender.begin(ROUTE, worker.snapshot, asked, b"", 0.0)
        exchange.whole(HEAD, b"ok", 1.0)
    await worker.gathered()
    assert [len(batch.requests) for batch in worker.receiver.batches] == [3]


async def test_while_there_is_no_room_requests_are_dropped_and_reported_with_the_next_batch() -> (
    None
):
    worker = Worker()
    worker.receiver.is_full = True
    for _ in range(2):
        await worker.serve()
    assert worker.counted.drops == [("r", "queue")] * 2
    worker.receiver.is_full = False
    await worker.serve()
    await worker.serve()
    assert [batch.drops for batch in worker.receiver.batches] == [{"r": {"queue": 2}}, {}]
    assert worker.sender.kept.now == 0


@pytest.mark.parametrize(
    ("body", "pieces"),
    [(b"123456789", ()), (None, (b"12345", b"6789")), (None, ())],
    ids=["too long", "too long in pieces", "no end before the response"],
)
async def test_a_body_that_is_too_long_or_not_whole_is_not_copied(
    body: bytes | None, pieces: tuple[bytes, ...]
) -> None:
    worker = Worker()
    await worker.serve(body=body, pieces=pieces)
    assert (worker.receiver.batches, worker.counted.drops) == ([], [("r", "body")])
    assert worker.sender.kept.now == 0


async def test_a_defect_costs_one_copy(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker()
    await worker.serve(has_a_bug)
    await worker.serve()
    assert worker.counted.drops == [("r", "internal")]
    assert len(worker.receiver.batches) == 1
    assert "RuntimeError: a defect" in caplog.text


async def test_what_all_requests_keep_together_is_limited() -> None:
    worker = Worker()
    worker.sender.kept.limit = 24
    exchanges = [worker.sender.begin(ROUTE, worker.snapshot, asked, b"", 0.0) for _ in range(4)]
    for exchange in exchanges:
        exchange.response_head(HEAD)
        exchange.response_data(b"12345678")
    for exchange in exchanges:
        exchange.over(None, complete=True)
    await worker.gathered()
    assert worker.counted.drops == [("r", "memory")]
    assert [len(batch.requests) for batch in worker.receiver.batches] == [3]


# --- usual requests: a list entry each, until they are handed over ----------------------------------------


async def test_usual_requests_are_handed_over_together_after_the_gathering_time() -> None:
    worker = Worker()
    worker.sender = CopySender(worker.receiver, worker.counted, gather_s=0.05)
    for body in (b"1", b"2"):
        worker.sender.note(Usual(worker.snapshot, usual), HEAD, body)
    await worker.gathered()
    (batch,) = worker.receiver.batches
    assert [each.response.body for each in batch.requests] == [b"1", b"2"]


async def test_nothing_is_handed_over_before() -> None:
    worker = Worker()
    worker.sender = CopySender(worker.receiver, worker.counted, gather_s=3600.0)
    worker.sender.note(Usual(worker.snapshot, usual), HEAD, b"1")
    worker.sender.begin(ROUTE, worker.snapshot, asked, b"", 0.0).whole(HEAD, b"2", 1.0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert (worker.receiver.batches, worker.sender.waiting) == ([], 2)


@pytest.mark.parametrize(
    ("count", "size"), [(257, 1), (5, 300_000)], ids=["many requests", "many bytes"]
)
async def test_many_usual_requests_do_not_wait_for_the_gathering_time(
    count: int, size: int
) -> None:
    worker = Worker()
    worker.sender = CopySender(worker.receiver, worker.counted, gather_s=3600.0)
    for _ in range(count):
        worker.sender.note(Usual(worker.snapshot, usual), HEAD, b"x" * size)
    await asyncio.wait_for(worker.gathered(), 20)
    sizes = [len(batch.requests) for batch in worker.receiver.batches]
    assert (sum(sizes), max(sizes) <= 32) == (count, True)


async def test_bytes_that_were_handed_over_do_not_hurry_later_requests() -> None:
    worker = Worker()
    worker.sender = CopySender(worker.receiver, worker.counted, gather_s=3600.0)
    for _ in range(5):
        worker.sender.note(Usual(worker.snapshot, usual), HEAD, bytes(300_000))
    await asyncio.wait_for(worker.gathered(), 20)
    for _ in range(2):
        worker.sender.note(Usual(worker.snapshot, usual), HEAD, b"ok")
    for _ in range(5):
        await asyncio.sleep(0)
    assert worker.sender.waiting == 2


async def test_usual_requests_are_dropped_while_there_is_no_room() -> None:
    worker = Worker()
    worker.receiver.is_full = True
    worker.sender.note(Usual(worker.snapshot, usual), HEAD, b"ok")
    await worker.gathered()
    assert (worker.receiver.batches, worker.counted.drops) == ([], [("r", "queue")])


async def test_a_usual_request_that_is_too_long_is_observed_as_any_other() -> None:
    worker = Worker()
    worker.sender.note(Usual(worker.snapshot, lambda _: None), HEAD, b"123456789")
    await worker.gathered()
    (batch,) = worker.receiver.batches
    (served,) = batch.requests
    assert (served.response.length, served.response.body) == (9, b"123456789")
    assert worker.sender.kept.now == 0


async def test_a_defect_costs_one_copy_of_a_usual_request(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker()
    worker.sender.note(Usual(worker.snapshot, has_another_bug), HEAD, b"ok")
    worker.sender.note(Usual(worker.snapshot, usual), HEAD, b"ok")
    await worker.gathered()
    assert worker.counted.drops == [("r", "internal")]
    assert [len(batch.requests) for batch in worker.receiver.batches] == [1]
    assert "RuntimeError: another defect" in caplog.text
