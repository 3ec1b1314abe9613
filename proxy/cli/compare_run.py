"""Sends pairs of requests at a rate, and compares their responses."""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Sequence

import httpx
from msgspec import Struct
from msgspec.structs import replace

from proxy.comparison.cases import CaseStore
from proxy.comparison.comparer import Comparer
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import Outcome
from proxy.comparison.parity import Parity
from proxy.control.replay.request_pairs import RequestPair
from proxy.model import Outgoing

_IN_FLIGHT = 16
"""Pairs in flight. If the backends are slower than the rate, the rate goes down."""


class RunSettings(Struct, frozen=True):
    """How the requests are sent."""

    left: str
    right: str
    rate: float
    """Pairs a second."""
    timeout_s: float
    max_body_bytes: int
    noise_rate: float
    """The share of requests that the incumbent gets twice."""


class CompareRun:
    """Compares all pairs. `progress` gets the number of pairs that are done."""

    def __init__(
        self,
        settings: RunSettings,
        comparer: Comparer,
        store: CaseStore,
        progress: Callable[[int], None],
    ) -> None:
        self.parity = Parity()
        self.cases = store
        self._settings = settings
        self._comparer = comparer
        self._progress = progress
        self._done = 0

    async def run(self, pairs: Sequence[RequestPair]) -> None:
        """Send all pairs, and wait for their responses."""
        settings = self._settings
        limits = httpx.Limits(max_connections=4 * _IN_FLIGHT)
        # No proxy from the environment: the backends are those that the command names.
        async with httpx.AsyncClient(
            trust_env=False, timeout=settings.timeout_s, limits=limits, follow_redirects=False
        ) as client:
            free = asyncio.Semaphore(_IN_FLIGHT)
            start = asyncio.get_running_loop().time()
            async with asyncio.TaskGroup() as tasks:
                for number, pair in enumerate(pairs):
                    await _until(start + number / settings.rate)
                    await free.acquire()
                    task = tasks.create_task(self._compare(client, pair, self._is_replayed(number)))
                    task.add_done_callback(lambda _: free.release())

    def _is_replayed(self, number: int) -> bool:
        """Whether this pair is among the share that the incumbent gets twice, evenly spread from the first one on."""
        rate = self._settings.noise_rate
        return math.ceil((number + 1) * rate) > math.ceil(number * rate)

    async def _compare(self, client: httpx.AsyncClient, pair: RequestPair, replayed: bool) -> None:
        settings = self._settings
        left, right = await asyncio.gather(
            self._observe(client, settings.left, pair.left),
            self._observe(client, settings.right, pair.right),
        )
        now = time.time()
        outcome = await self._finish(pair, left, right)
        self.parity.add(outcome, now)
        self.cases.add(pair.case_request, left, outcome, now)
        if replayed:
            again = await self._observe(client, settings.left, pair.left)
            self.parity.add_replay(await self._finish(pair, left, again, is_replay=True), now)
        self._done += 1
        self._progress(self._done)

    async def _finish(
        self, pair: RequestPair, left: Observation, right: Observation, is_replay: bool = False
    ) -> Outcome:
        comparison = self._comparer.begin(left, right, pair.accept_encoding, is_replay=is_replay)
        outcome: Outcome | None = None
        while outcome is None:
            outcome = comparison.advance()
            await asyncio.sleep(0)
        return outcome

    async def _observe(self, client: httpx.AsyncClient, base: str, sent: Outgoing) -> Observation:
        """The response to one request. Every failure is an observation."""
        start, status = time.perf_counter(), 0
        kept, length, digest = bytearray(), 0, hashlib.sha256()
        failure = ""
        headers: list[tuple[bytes, bytes]] = []
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                response = await client.send(_request(base, sent), stream=True)
                status = response.status_code
                headers = [(name.lower(), value) for name, value in response.headers.raw]
                try:
                    async for chunk in response.aiter_raw():
                        length += len(chunk)
                        digest.update(chunk)
                        kept += chunk[: max(0, self._settings.max_body_bytes - len(kept))]
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            failure = "timeout"
        except httpx.ConnectError:
            failure = "unreachable"
        except (httpx.HTTPError, httpx.InvalidURL):
            failure = "broke"
        duration_s = time.perf_counter() - start
        whole = Observation(status, headers, bytes(kept), duration_s=duration_s, failure=failure)
        if length <= len(kept):
            return whole
        return replace(whole, length=length, digest=digest.digest())


def _request(base: str, sent: Outgoing) -> httpx.Request:
    """The request with exactly these fields. httpx adds a Host only."""
    url = httpx.URL(base).copy_with(raw_path=sent.target)
    fields: list[tuple[bytes, bytes]] = list(sent.headers)
    if sent.host is not None:
        fields.insert(0, (b"host", sent.host))
    return httpx.Request(sent.method, url, headers=fields)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
