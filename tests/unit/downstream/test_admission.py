"""A limited number of requests begin in a tick, the others in the next ticks: once, in order, and only if wanted."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.downstream.admission import MAX_PER_TICK, Admission
from proxy.downstream.connection import DownstreamConnection
from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.downstream.interfaces import ActiveRequest, ClientConnection, RequestService
from proxy.http1.request_head import RequestHead
from proxy.model import HeaderPairs, Limits, Listener, Networks, Timeouts

REQUEST = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"


class Client:
    """Records that it was resumed."""

    def __init__(self, number: int, resumed: list[int]) -> None:
        self._number = number
        self._resumed = resumed

    def resume(self) -> None:
        self._resumed.append(self._number)


def admitted(admission: Admission, numbers: range, resumed: list[int]) -> list[int]:
    """The clients that are admitted now. The others get into `resumed` when they are resumed."""
    return [number for number in numbers if admission.admit(Client(number, resumed))]


async def test_clients_beyond_the_limit_are_resumed_in_the_next_ticks_in_order() -> None:
    admission, resumed = Admission(2), list[int]()
    assert admitted(admission, range(7), resumed) == [0, 1]
    ticks = []
    for _ in range(4):
        await asyncio.sleep(0)
        ticks.append(resumed.copy())
    assert ticks == [[2, 3], [2, 3, 4, 5], [2, 3, 4, 5, 6], [2, 3, 4, 5, 6]]


async def test_a_new_client_does_not_overtake_waiting_ones() -> None:
    admission, resumed = Admission(2), list[int]()
    admitted(admission, range(5), resumed)
    await asyncio.sleep(0)
    assert admitted(admission, range(5, 6), resumed) == []
    await asyncio.sleep(0)
    assert resumed == [2, 3, 4, 5]


async def test_clients_within_the_limit_do_not_wait() -> None:
    admission, resumed = Admission(2), list[int]()
    for _ in range(5):
        assert admitted(admission, range(2), resumed) == [0, 1]
        await asyncio.sleep(0)
    assert resumed == []


async def test_without_waiting_clients_nothing_is_scheduled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admission, resumed = Admission(2), list[int]()
    loop, scheduled = asyncio.get_running_loop(), list[object]()
    call_soon = loop.call_soon

    def record_call(callback: Any, *arguments: Any, **options: Any) -> asyncio.Handle:
        scheduled.append(callback)
        return call_soon(callback, *arguments, **options)

    monkeypatch.setattr(loop, "call_soon", record_call)
    admitted(admission, range(3), resumed)
    for _ in range(9):
        await asyncio.sleep(0)
    assert scheduled.count(admission._next_tick) == 2


async def test_waiting_clients_leave_the_rest_of_a_tick_to_new_ones() -> None:
    admission, resumed = Admission(2), list[int]()
    admitted(admission, range(3), resumed)
    await asyncio.sleep(0)
    assert admitted(admission, range(3, 6), resumed) == [3]
    await asyncio.sleep(0)
    assert resumed == [2, 4, 5]


async def test_a_client_that_fails_does_not_stop_the_others() -> None:
    class Fails:
        def resume(self) -> None:
            raise ValueError("a fault of ours")

    admission, resumed, errors = Admission(1), list[int](), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    assert admission.admit(Client(0, resumed))
    assert not admission.admit(Fails())
    admitted(admission, range(1, 3), resumed)
    for _ in range(4):
        await asyncio.sleep(0)
    assert resumed == [1, 2]
    assert len(errors) == 1
    assert admitted(admission, range(1), resumed) == [0]


class FakeTransport:
    """A transport, as far as the connection calls it."""

    def __init__(self) -> None:
        self.closed = False

    def get_extra_info(self, name: str) -> object:
        return ("192.0.2.1", 1) if name == "peername" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    abort = close


class OpenRequest:
    """An active request that ends only when the client disconnects."""

    uploaded, received_bytes, allowed = True, 0, (Timeouts(), Limits())

    def __init__(self, target: bytes) -> None:
        self.target = target
        self.begins = self.disconnects = 0

    def begin(self) -> None:
        self.begins += 1

    def client_disconnected(self) -> None:
        self.disconnects += 1

    def body_ended(self, trailers: HeaderPairs) -> None: ...


class Server:
    """A listener whose limit of this tick is used up: `MAX_PER_TICK` requests have begun."""

    known = None

    def __init__(self, listener: Listener | None = None) -> None:
        self.limits = SimpleNamespace(
            listener=listener or Listener(),
            trusted=Networks(()),
            max_head_bytes=8192,
            max_fields=100,
        )
        self.tracker = ConnectionTracker(1000, lambda _: None, lambda _: None)
        self.requests: list[OpenRequest] = []
        for number in range(MAX_PER_TICK):
            self.connect()[0].data_received(REQUEST % number)

    def connect(self) -> tuple[DownstreamConnection, FakeTransport]:
        transport = FakeTransport()
        client = DownstreamConnection(cast(RequestService, self), self.tracker, set())
        client.connection_made(cast(asyncio.Transport, transport))
        return client, transport

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        self.requests.append(OpenRequest(head.target))
        return cast(ActiveRequest, self.requests[-1])

    async def send_another(self, client: DownstreamConnection) -> None:
        """Complete the client's request, and let it send the next one."""
        client.request_done(True, True, False)
        client.data_received(REQUEST % 100)
        await asyncio.sleep(0)

    @property
    def late(self) -> list[tuple[bytes, int, int]]:
        """The requests beyond the limit: target, how often they began, how often their client disconnected."""
        return [
            (each.target, each.begins, each.disconnects) for each in self.requests[MAX_PER_TICK:]
        ]


async def test_a_request_beyond_the_limit_begins_once_in_the_next_tick() -> None:
    server = Server()
    client, transport = server.connect()
    client.data_received(REQUEST % 99)
    assert len(server.requests) == MAX_PER_TICK
    await asyncio.sleep(0)
    assert server.late == [(b"/99", 1, 0)]
    await server.send_another(client)
    assert (server.late, transport.closed) == ([(b"/99", 1, 0), (b"/100", 1, 0)], False)


@pytest.mark.parametrize("cut", [1, 10, 24])
async def test_bytes_that_come_while_a_request_waits_keep_their_order(cut: int) -> None:
    server = Server()
    client, _ = server.connect()
    raw = REQUEST % 99
    client.data_received(raw[:cut])
    client.data_received(raw[cut:])
    assert server.late == [(b"/99", 1, 0)], "at most one read waits"
    await asyncio.sleep(0)
    await server.send_another(client)
    assert server.late == [(b"/99", 1, 0), (b"/100", 1, 0)]


async def test_a_waiting_client_that_half_closes_has_sent_a_request() -> None:
    server = Server()
    client, _ = server.connect()
    client.data_received(REQUEST % 99)
    assert client.eof_received()
    assert server.late == [(b"/99", 1, 0)]
    await asyncio.sleep(0)
    assert server.late == [(b"/99", 1, 0)]
    client.connection_lost(None)
    assert server.late == [(b"/99", 1, 1)]


@pytest.mark.parametrize(
    "ends",
    [lambda client: client.connection_lost(None), DownstreamConnection.abort],
    ids=["lost", "aborted"],
)
async def test_a_waiting_connection_that_is_lost_begins_no_request(
    ends: Callable[[DownstreamConnection], None],
) -> None:
    server = Server()
    client, _ = server.connect()
    client.data_received(REQUEST % 99)
    ends(client)
    await asyncio.sleep(0)
    assert server.late == []


async def test_a_drain_serves_a_waiting_request() -> None:
    server = Server()
    client, transport = server.connect()
    client.data_received(REQUEST % 99)
    client.shutdown()
    assert not transport.closed
    await asyncio.sleep(0)
    assert server.late == [(b"/99", 1, 0)]


async def test_a_waiting_connection_is_not_idle() -> None:
    server = Server(Listener(idle_timeout_s=1.0))
    client, transport = server.connect()
    client.check_deadlines(0.0)
    client.data_received(REQUEST % 99)
    client.check_deadlines(2.0)
    assert not transport.closed
    await asyncio.sleep(0)
    assert server.late == [(b"/99", 1, 0)]
