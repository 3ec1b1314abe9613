"""Requests without a pause while a part is disturbed, and a tally of their outcomes."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

import httpx

_PAUSE_S = 0.01
_PROBLEM = "application/problem+json"

# What a request can come to, beside its status.
UNANSWERED = "unanswered"  # the connection was refused or ended before a response began
CUT = "cut"  # a response began and ended half-way
UNCLEAN = "unclean"  # an error in another form than `_is_clean` accepts

Tally = Counter[tuple[str, str]]


class Load:
    """One thread a path, each on connections of its own, from `with` to its end."""

    def __init__(self, base: str, paths: Mapping[str, str]) -> None:
        """`paths`: what each is called, and the path."""
        self._base = base
        self._paths = paths
        self._lock = threading.Lock()
        self._tally: Tally = Counter()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(name,), daemon=True) for name in paths
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def take(self, at_least: int = 0, within_s: float = 30.0) -> Tally:
        """What came since the last look; waits until each path was asked `at_least` times."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            with self._lock:
                if all(_asked(self._tally, name) >= at_least for name in self._paths):
                    break
            time.sleep(_PAUSE_S)
        with self._lock:
            taken, self._tally = self._tally, Counter()
        return taken

    def _ask(self, name: str) -> None:
        with httpx.Client(base_url=self._base, timeout=15, trust_env=False) as client:
            while not self._stop.is_set():
                outcome = one_request(client, self._paths[name])
                with self._lock:
                    self._tally[name, outcome] += 1
                self._stop.wait(_PAUSE_S)


def one_request(client: httpx.Client, path: str) -> str:
    """The status as a text, or UNANSWERED, CUT, UNCLEAN."""
    try:
        with client.stream("GET", path) as response:
            try:
                response.read()
            except httpx.TransportError:
                return CUT
    except httpx.TransportError:
        return UNANSWERED
    if response.status_code >= 400 and not _is_clean(response):
        return UNCLEAN
    return str(response.status_code)


def _is_clean(response: httpx.Response) -> bool:
    """Whether an error is a problem+json, or the empty body that both lists have for errors.

    The service gives its list an empty 503 with Retry-After (docs/service.md). The facade gives one with its request id
    (`errors` in routes.yaml).
    """
    is_named = "x-request-id" in response.headers or "retry-after" in response.headers
    if is_named and response.status_code in (502, 503, 504) and not response.content:
        return "content-type" not in response.headers
    kind: str = response.headers.get("content-type", "")
    return kind == _PROBLEM


def faults(tally: Tally, allowed: Mapping[str, frozenset[str]]) -> list[str]:
    """Sentences about what was neither 200 nor among what is allowed for its path."""
    return [
        f"{count} of {_asked(tally, name)} requests for {name}: {outcome}"
        for (name, outcome), count in sorted(tally.items())
        if outcome != "200" and outcome not in allowed.get(name, frozenset())
    ]


def as_text(tally: Tally) -> str:
    """`hotels 120; list 80, of 92: 12 x 503`."""
    parts = []
    for name in sorted({name for name, _ in tally}):
        failed = [
            f"{count} x {outcome}"
            for (of, outcome), count in sorted(tally.items())
            if of == name and outcome != "200"
        ]
        parts.append(f"{name} {tally[name, '200']} x 200" + "".join(f", {one}" for one in failed))
    return "; ".join(parts)


def _asked(tally: Tally, name: str) -> int:
    return sum(count for (of, _), count in tally.items() if of == name)
