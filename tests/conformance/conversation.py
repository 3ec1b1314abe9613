"""A conversation through the facade, as a value: what client and origin send and receive, in one order.

The order is the proof: `ClientGetsPiece` before the `OriginSends` of the rest shows that nothing waits
for the rest.
A case that a tier cannot carry has other steps for it (`asgi`), and its reason in `limits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.harness import Tier, client, facade, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import Origin, origin
from tests.support.wire import Cut, Head, Pairs, Wire

# What the facade adds for itself. Tests of their own look at each.
_ADDED_TO_REQUESTS = frozenset(
    (
        b"host",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"forwarded",
        b"via",
        b"x-request-id",
        b"traceparent",
    )
)
_ADDED_TO_RESPONSES = frozenset((b"x-facade-decision", b"x-request-id"))
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"trailer"))


# --- what the client does ---------------------------------------------------------------------------


@dataclass(frozen=True)
class ClientSends:
    data: bytes


@dataclass(frozen=True)
class ClientGets:
    """A whole response. What is None is not checked; `interim` are the statuses of 1xx before it."""

    status: int | tuple[int, ...]
    """Several: any of them."""
    body: bytes = b""
    fields: Pairs | None = None
    to: str = "GET"
    length: int | None = None
    chunked: bool | None = None
    closes: bool | None = None
    reason: bytes | None = None
    trailers: Pairs = field(default_factory=list)
    interim: tuple[int, ...] | None = ()
    without: tuple[bytes, ...] = ()
    """Fields that must not be there."""


@dataclass(frozen=True)
class ClientGetsHead:
    """An interim response, or the head of one whose body comes in pieces."""

    status: int
    fields: Pairs | None = None


@dataclass(frozen=True)
class ClientGetsPiece:
    data: bytes


@dataclass(frozen=True)
class ClientGetsRest:
    """The rest of the body, up to the end of its framing."""

    data: bytes = b""


@dataclass(frozen=True)
class ClientGetsCut:
    """The connection ends before the response does. `reset`: by RST, because a FIN would look complete."""

    reset: bool = False


@dataclass(frozen=True)
class ClientGetsClosed:
    """Nothing more comes, and the connection ends cleanly."""


@dataclass(frozen=True)
class ClientGetsOver:
    """The connection ends, in whichever way: what a tier does that cannot do better."""


@dataclass(frozen=True)
class ClientCloses:
    pass


# --- what the origin does ---------------------------------------------------------------------------


@dataclass(frozen=True)
class OriginSees:
    """A whole request, over its connection of that number (from 1). What is None is not checked."""

    line: bytes
    body: bytes = b""
    fields: Pairs | None = None
    length: int | None = None
    chunked: bool | None = None
    trailers: Pairs = field(default_factory=list)
    host: bytes | None = None
    on: int = 1


@dataclass(frozen=True)
class OriginSeesHead:
    line: bytes
    on: int = 1


@dataclass(frozen=True)
class OriginSeesPiece:
    data: bytes
    on: int = 1


@dataclass(frozen=True)
class OriginSeesRest:
    data: bytes = b""
    on: int = 1


@dataclass(frozen=True)
class OriginSeesEnd:
    """The facade closes the connection, with nothing more on it."""

    on: int = 1


@dataclass(frozen=True)
class OriginSends:
    data: bytes
    on: int = 1


@dataclass(frozen=True)
class OriginCloses:
    on: int = 1


@dataclass(frozen=True)
class OriginResets:
    on: int = 1


ClientStep = (
    ClientSends
    | ClientGets
    | ClientGetsHead
    | ClientGetsPiece
    | ClientGetsRest
    | ClientGetsCut
    | ClientGetsClosed
    | ClientGetsOver
    | ClientCloses
)
OriginStep = (
    OriginSees
    | OriginSeesHead
    | OriginSeesPiece
    | OriginSeesRest
    | OriginSeesEnd
    | OriginSends
    | OriginCloses
    | OriginResets
)
Step = ClientStep | OriginStep


@dataclass(frozen=True)
class Case:
    """`name` is a sentence; `rfc` is where it stands. `asgi`: what that tier does instead (`limits`)."""

    name: str
    rfc: str
    steps: tuple[Step, ...]
    asgi: tuple[Step, ...] | None = None
    backend: str = ""
    route: str = ""
    rest: str = ""

    def of(self, tier: str) -> tuple[Step, ...]:
        return self.asgi if tier == "asgi" and self.asgi is not None else self.steps


def names(cases: Sequence[Case]) -> list[str]:
    return [case.name for case in cases]


async def converse(case: Case, tier: Tier, folder: Path) -> None:
    """Hold the conversation. Fails at the first step that differs, and names it."""
    async with origin() as server:
        routes = table(server.url, backend=case.backend, route=case.route, rest=case.rest)
        async with facade(tier, routes, folder) as up:
            await hold(case.of(tier.name), up, server)


async def hold(steps: tuple[Step, ...], up: RunningFacade, server: Origin) -> None:
    """Hold a conversation over one connection to a facade that is up."""
    async with client(up) as wire:
        for number, step in enumerate(steps, 1):
            try:
                if isinstance(step, ClientStep):
                    await _client(step, wire)
                else:
                    await _origin(step, await server.connection(step.on))
            except (AssertionError, Cut, TimeoutError) as fault:
                await wire.glance()
                fault.add_note(f"in step {number} of {len(steps)}: {step}")
                fault.add_note(f"the client has got {bytes(wire.received[-2000:])!r}")
                seen = [bytes(each.received[-2000:]) for each in server.connections]
                fault.add_note(f"the origin has seen {seen!r}")
                raise


async def _client(step: ClientStep, wire: Wire) -> None:
    match step:
        case ClientSends():
            wire.send(step.data)
        case ClientGets():
            await _gets(step, wire)
        case ClientGetsHead():
            head = await wire.response_head()
            assert head.status == step.status
            _same_fields(head, step.fields, _ADDED_TO_RESPONSES)
        case ClientGetsPiece():
            assert await wire.piece(len(step.data)) == step.data
        case ClientGetsRest():
            assert await wire.rest() == step.data
        case ClientGetsCut():
            await _gets_cut(step, wire)
        case ClientGetsClosed():
            assert await wire.end() == (b"", False)
        case ClientGetsOver():
            await wire.end()
        case ClientCloses():
            wire.close()


async def _gets(step: ClientGets, wire: Wire) -> None:
    got = await wire.response(step.to)
    head = got.head
    statuses = step.status if isinstance(step.status, tuple) else (step.status,)
    assert head.status in statuses
    assert got.body == step.body
    if step.interim is not None:
        assert tuple(each.status for each in got.interim) == step.interim
    if step.reason is not None:
        assert head.line.split(b" ", 2)[2] == step.reason
    if step.closes is not None:
        assert head.closes is step.closes
    _same_fields(head, step.fields, _ADDED_TO_RESPONSES)
    _same_framing(head, step.length, step.chunked)
    assert not [name for name in step.without if head.all(name)]
    assert got.trailers == step.trailers


async def _gets_cut(step: ClientGetsCut, wire: Wire) -> None:
    was_reset = None
    try:
        got = await wire.rest()
    except Cut as cut:
        was_reset = cut.reset
    assert was_reset is not None, f"the response looks complete: {got!r}"
    assert was_reset or not step.reset, "the connection ended with FIN: it looks complete"


async def _origin(step: OriginStep, wire: Wire) -> None:
    match step:
        case OriginSees():
            await _sees(step, wire)
        case OriginSeesHead():
            assert (await wire.request_head()).line == step.line
        case OriginSeesPiece():
            assert await wire.piece(len(step.data)) == step.data
        case OriginSeesRest():
            assert await wire.rest() == step.data
        case OriginSeesEnd():
            assert (await wire.end())[0] == b""
        case OriginSends():
            wire.send(step.data)
        case OriginCloses():
            wire.close()
        case OriginResets():
            await wire.flush()
            wire.reset()


async def _sees(step: OriginSees, wire: Wire) -> None:
    got = await wire.request()
    assert (got.head.line, got.body) == (step.line, step.body)
    if step.host is not None:
        assert got.head.one(b"host") == step.host
    _same_fields(got.head, step.fields, _ADDED_TO_REQUESTS)
    _same_framing(got.head, step.length, step.chunked)
    assert got.trailers == step.trailers


def _same_fields(head: Head, wanted: Pairs | None, added: frozenset[bytes]) -> None:
    if wanted is not None:
        left_out = (added | _FRAMING) - {name for name, _ in wanted}
        assert [pair for pair in head.fields if pair[0] not in left_out] == wanted


def _same_framing(head: Head, length: int | None, chunked: bool | None) -> None:
    if length is not None:
        assert head.one(b"content-length") == b"%d" % length
    if chunked is not None:
        assert bool(head.all(b"transfer-encoding")) is chunked
