"""The outcomes of requests by endpoint, in shared memory: each worker counts its own, one process reads all.

Only endpoints of backends with `outlier_detection` have a set of counters.
"""

from collections.abc import Callable

from proxy.health.state import Outcomes
from proxy.model import Backend, Endpoint
from proxy.telemetry.shared_memory import SET_SLOTS, Name, SharedStats, WorkerState, WorkerStats

OUTCOMES = "outcomes"
"""The first of three parts of the names of these sets; the others are a backend and an endpoint's label."""
_GATEWAY = frozenset((0, 502, 503, 504))
_NO_RESPONSE = 0


_REQUESTS, _FAILURES, _GATEWAY_FAILURES, _RUN, _GATEWAY_RUN, _TRYING = range(6)
"""The place of each counter in a set. `_TRYING` is 1 while a request of the worker tries the endpoint."""


class EndpointOutcomes:
    """The counters of one endpoint in one worker, which is their only writer."""

    def __init__(self, worker: WorkerStats, at: int) -> None:
        self._counters = worker.counters[at : at + SET_SLOTS]
        self.set_trying(False)  # Of a worker that ended.

    def count(self, status: int) -> None:
        """Count the outcome of a request: the status of the response, 0 if there was no complete one."""
        counters = self._counters
        counters[_REQUESTS] += 1
        if _NO_RESPONSE < status < 500:
            if counters[_RUN]:
                counters[_RUN] = counters[_GATEWAY_RUN] = 0
            return
        counters[_FAILURES] += 1
        counters[_RUN] += 1
        if status in _GATEWAY:
            counters[_GATEWAY_FAILURES] += 1
            counters[_GATEWAY_RUN] += 1
        else:
            counters[_GATEWAY_RUN] = 0

    def set_trying(self, trying: bool) -> None:
        """Whether a request of this worker tries the endpoint now."""
        self._counters[_TRYING] = trying


class WorkerOutcomes:
    """The counters of all endpoints in one worker. They continue those of the worker before."""

    def __init__(self, worker: WorkerStats) -> None:
        self._worker = worker
        self._places: dict[Name, int] = {
            name: number * SET_SLOTS
            for number, name in enumerate(worker.names())
            if name[0] == OUTCOMES and len(name) == 3
        }

    def observe(self, backend: Backend, endpoint: Endpoint) -> Callable[[int], None] | None:
        """The function that counts the outcomes of an endpoint's requests. None if nothing depends on them."""
        if backend.outlier_detection is None:
            return None
        outcomes = self.of(backend.name, endpoint.label)
        return None if outcomes is None else outcomes.count

    def of(self, backend: str, label: str) -> EndpointOutcomes | None:
        """The counters of one endpoint. None if the shared memory is full: its outcomes are not known then."""
        name = (OUTCOMES, backend, label)
        at = self._places.get(name)
        if at is None:
            at = self._worker.add_set(name)
            if at is None:
                return None
            self._places[name] = at
        return EndpointOutcomes(self._worker, at)


class _Read:
    """What was read of one worker."""

    def __init__(self, worker: WorkerStats) -> None:
        self.worker = worker
        self.places: dict[Name, int] = {}
        self.names_read = 0
        self.requests: dict[Name, int] = {}

    def place(self, name: Name) -> int | None:
        names = self.worker.names()
        for number in range(self.names_read, len(names)):
            if names[number][0] == OUTCOMES:
                self.places[names[number]] = number * SET_SLOTS
        self.names_read = len(names)
        return self.places.get(name)


class OutcomeReader:
    """Reads the outcomes of all workers."""

    def __init__(self, stats: SharedStats) -> None:
        self._workers = [_Read(worker) for worker in stats]

    def read(self, backend: str, label: str) -> Outcomes:
        """The outcomes of one endpoint. Consecutive failures are those of workers with requests since the last call."""
        name = (OUTCOMES, backend, label)
        requests = failures = gateway_failures = run = gateway_run = 0
        for worker in self._workers:
            at = worker.place(name)
            if at is None:
                continue
            values = worker.worker.counters[at : at + _TRYING].tolist()
            requests += values[_REQUESTS]
            failures += values[_FAILURES]
            gateway_failures += values[_GATEWAY_FAILURES]
            if values[_REQUESTS] != worker.requests.get(name, 0):
                worker.requests[name] = values[_REQUESTS]
                run = max(run, values[_RUN])
                gateway_run = max(gateway_run, values[_GATEWAY_RUN])
        return Outcomes(requests, failures, gateway_failures, run, gateway_run)

    def is_trying(self, backend: str, label: str) -> bool:
        """Whether a request of any worker tries the endpoint now. Workers that are down do not count."""
        for worker in self._workers:
            at = worker.place((OUTCOMES, backend, label))
            is_up = worker.worker.state in (WorkerState.SERVING, WorkerState.STOPPING)
            if at is not None and is_up and worker.worker.counters[at + _TRYING]:
                return True
        return False
