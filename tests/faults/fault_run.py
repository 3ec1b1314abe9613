"""One run of the fault table: backends fail under load, and recover; what clients and both backends saw of it."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from proxy.server.settings import Tier
from tests.faults.faulty_backend import Fault, FaultyBackend, faulty_backends
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.waiting import WITHIN_S

Victim = Literal["newcomer", "incumbent"]
INTERVAL_S = 0.5
"""Between two probes."""
_MONITORED = (
    f"health_check: {{path: /health, interval: {INTERVAL_S * 1000:g}ms, timeout: 400ms, "
    "unhealthy_threshold: 2, healthy_threshold: 1}, outlier_detection: {consecutive_5xx: 5}"
)
_TRIGGERS = "triggers: [connect_failure, timeout, circuit_open, not_ok, 502, 503, 504]"
_DEADLINE_S = 60.0
_BEATS_S = 0.3
"""Within it the facade has judged an outcome, and its workers follow."""


class Load(Struct, frozen=True):
    """Half of the requests are GETs, half POSTs."""

    rate: float
    """Requests a second, of all routes together."""
    before_s: float
    fault_s: float
    attempt_s: float = 1.0
    """`timeouts.backend_request`."""


class Answer(Struct, frozen=True):
    """What a client got. Status 0 is a response that was cut, or none."""

    method: str
    status: int
    backend: str
    reason: str
    began: float
    """When the request was sent, in seconds, monotonic."""
    ended: float


class FaultRun(Struct):
    """The result for one fault."""

    fault: Fault
    answers: list[Answer]
    newcomer: FaultyBackend
    incumbent: FaultyBackend
    recovered_s: float = 0.0
    """From the healing to the first response of the victim after which no GET falls back any more."""
    probes: int = 0
    """How many probes came in this time."""

    def of(self, method: str) -> list[Answer]:
        return [each for each in self.answers if each.method == method]

    def by(self, method: str, backend: str) -> int:
        """Good responses to a method by one backend."""
        return sum(each.status == 200 and each.backend == backend for each in self.of(method))

    def failures(self, method: str) -> Counter[str]:
        """The others, by status and reason."""
        return Counter(
            f"{each.status} {each.reason}" for each in self.of(method) if each.status != 200
        )

    @property
    def sent_twice(self) -> int:
        """Writes that came more than once, or to the backend that is not their writer."""
        repeated = sum(count - 1 for count in self.newcomer.seen.values())
        return repeated + self.incumbent.writes


def table(
    faults: list[Fault], backends: dict[str, FaultyBackend], victim: Victim, attempt_s: float
) -> str:
    """A route at stage live for each fault."""
    lines, routes = [], []
    for number, _ in enumerate(faults):
        for side in ("incumbent", "newcomer"):
            backend = backends[f"{side}-{number}"]
            rules = f", {_MONITORED}" if side == victim else ""
            lines.append(
                f'  {backend.name}: {{url: "http://{backend.host}:{backend.port}"{rules}}}'
            )
        routes.append(
            f"  - {{name: r{number}, match: {{path: {{prefix: /{number}}}}}, stage: live, "
            f"backend_refs: [incumbent-{number}, newcomer-{number}], "
            f"response_ok: {{json_type: array}}, fallback: {{{_TRIGGERS}}}}}"
        )
    timeouts = f"{{connect: 5s, request: 30s, backend_request: {attempt_s * 1000:g}ms}}"
    return "\n".join(
        ("version: 1", f"defaults: {{timeouts: {timeouts}}}", "backends:", *lines, "routes:", *routes, "")
    )  # fmt: skip


async def run(
    faults: list[Fault], tier: Tier, victim: Victim, load: Load, folder: Path
) -> list[FaultRun]:
    """Let the victims of all faults fail at the same time, each on a route of its own."""
    names = [f"{side}-{number}" for number, _ in enumerate(faults) for side in ("incumbent", "newcomer")]  # fmt: skip
    async with faulty_backends(names) as backends:
        runs = [
            FaultRun(fault, [], backends[f"newcomer-{number}"], backends[f"incumbent-{number}"])
            for number, fault in enumerate(faults)
        ]
        text = table(faults, backends, victim, load.attempt_s)
        async with facade_in_loop(text, folder, tier=tier) as facade:
            async with _sending(facade, runs, load) as sent:
                await asyncio.sleep(load.before_s)
                victims = [_victim(each, victim) for each in runs]
                for each, backend in zip(runs, victims, strict=True):
                    await backend.fail(each.fault)
                await asyncio.sleep(load.fault_s)
                for backend in victims:
                    await backend.heal()
                healed = time.monotonic()
                await asyncio.gather(*(_recovered(facade, each, victim, healed) for each in runs))
                await _stuck_ones_end(sent)
            for each in runs:
                _measure(each, victim, healed)
        return runs


def _victim(of: FaultRun, victim: Victim) -> FaultyBackend:
    return of.newcomer if victim == "newcomer" else of.incumbent


@contextlib.asynccontextmanager
async def _sending(
    facade: RunningFacade, runs: list[FaultRun], load: Load
) -> AsyncIterator[set[asyncio.Task[None]]]:
    """Send requests at a steady rate inside the block, and wait for all responses at its end."""
    sent: set[asyncio.Task[None]] = set()

    async def send() -> None:
        began, number = time.monotonic(), 0
        while True:
            of = runs[number % len(runs)]
            method = "GET" if number // len(runs) % 2 else "POST"
            sent.add(asyncio.create_task(_request(facade, of, number % len(runs), method, number)))
            number += 1
            await asyncio.sleep(max(0.0, began + number / load.rate - time.monotonic()))

    sender = asyncio.create_task(send())
    try:
        yield sent
    finally:
        sender.cancel()
        await asyncio.wait([sender])
        await asyncio.wait_for(asyncio.gather(*sent), _DEADLINE_S)


async def _request(facade: RunningFacade, of: FaultRun, route: int, method: str, number: int) -> None:  # fmt: skip
    began, body = time.monotonic(), b"%d" % number if method == "POST" else b""
    reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
    try:
        writer.write(
            b"%b /%d HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (method.encode(), route, len(body), body)
        )
        raw = await asyncio.wait_for(reader.read(), _DEADLINE_S)
    finally:
        writer.close()
    of.answers.append(_read(method, raw, began))


def _read(method: str, raw: bytes, began: float) -> Answer:
    head, end, body = raw.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    decision = dict(
        each.split("=", 1) for each in fields.get(b"x-facade-decision", b"").decode().split()
    )
    whole = bool(end) and len(body) == int(fields.get(b"content-length", b"-1"))
    status = int(head[9:12]) if whole else 0
    backend, reason = decision.get("backend", "-"), decision.get("reason", "-")
    return Answer(method, status, backend, reason, began, time.monotonic())


async def _recovered(facade: RunningFacade, of: FaultRun, victim: Victim, healed: float) -> None:
    """Wait until the victim is used again as before the fault. The incumbent of a live route has nothing to serve."""
    backend, deadline = _victim(of, victim), time.monotonic() + WITHIN_S
    health = facade.app.forwarder.health
    while health.current.breaker(backend.name) != "closed" or not _serves(of, victim):
        assert time.monotonic() < deadline, f"no recovery after {of.fault}"
        await asyncio.sleep(0.01)
    of.recovered_s = time.monotonic() - healed


async def _stuck_ones_end(sent: set[asyncio.Task[None]]) -> None:
    """Wait for the requests that were sent before: those that met the fault must not lead to another ejection."""
    await asyncio.wait_for(asyncio.gather(*sent), _DEADLINE_S)
    await asyncio.sleep(_BEATS_S)


def _measure(of: FaultRun, victim: Victim, healed: float) -> None:
    """Set `recovered_s` and `probes`."""
    if victim == "newcomer":
        gets = [each for each in of.of("GET") if each.began >= healed]
        fell_back = [each.began for each in gets if each.backend != of.newcomer.name]
        last = max(fell_back, default=healed)
        of.recovered_s = min(each.ended for each in gets if each.began > last) - healed
    probed_at = _victim(of, victim).probed_at
    of.probes = sum(0 <= at - healed <= of.recovered_s for at in probed_at)


def _serves(of: FaultRun, victim: Victim) -> bool:
    last = of.answers[-1]
    return victim == "incumbent" or (last.status == 200 and last.backend == of.newcomer.name)
