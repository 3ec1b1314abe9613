"""Figures of a route by backend: counts that can be added over processes and replicas, and subtracted over time."""

from collections.abc import Mapping

from msgspec import Struct


class Figures(Struct, frozen=True):
    """The requests of a route that one backend served."""

    failed: int = 0
    """Requests of which the response was not ok."""
    fallbacks: int = 0
    """Requests for which the other backend was asked, because this one failed."""
    latency: Mapping[int, int] = {}
    """The number of requests in each bucket of `proxy.analysis.latency`."""

    @property
    def requests(self) -> int:
        return sum(self.latency.values())

    def plus(self, other: "Figures") -> "Figures":
        """The figures of both."""
        latency = dict(self.latency)
        for bucket, count in other.latency.items():
            latency[bucket] = latency.get(bucket, 0) + count
        return Figures(self.failed + other.failed, self.fallbacks + other.fallbacks, latency)

    def minus(self, earlier: "Figures") -> "Figures":
        """The figures since `earlier`, which the same counters had."""
        since = {
            bucket: count - earlier.latency.get(bucket, 0) for bucket, count in self.latency.items()
        }
        return Figures(
            max(0, self.failed - earlier.failed),
            max(0, self.fallbacks - earlier.fallbacks),
            {bucket: count for bucket, count in since.items() if count > 0},
        )


class Parity(Struct, frozen=True):
    """The share of compared responses that were the same, with its bounds."""

    compared: int
    rate: float
    lower_bound: float
    upper_bound: float


class FiguresReport(Struct, frozen=True):
    """The figures of one replica: the JSON of `GET /figures`."""

    replica: str
    """It is new after a restart, when all counters begin at 0."""
    host: str
    process: int
    tables: tuple[str, ...]
    """The versions of the table in its processes: more than one only while they reload."""
    breakers: Mapping[str, str] = {}
    """By backend: `closed`, `open` or `half_open`."""
    routes: Mapping[str, Mapping[str, Figures]] = {}
    """By route and backend."""
