"""What is counted, for Prometheus. A registry of its own for each app: nothing is global."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


class Telemetry:
    """The counters. Labels are bound once: what follows costs a fraction of a microsecond."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "flightspecials_http_requests_total",
            "Requests answered",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "flightspecials_http_request_duration_seconds",
            "Time from a request's head to the end of its answer",
            ("route",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self.slow_queries = Counter(
            "flightspecials_slow_queries_total",
            "Queries slower than the limit",
            registry=self._registry,
        )
        self._bound: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def gauge(self, name: str, told: str, value: Callable[[], float]) -> None:
        """A number that is asked for when the metrics are read."""
        Gauge(name, told, registry=self._registry).set_function(value)

    def count_request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request. `route` is the template of its path."""
        key = (method, route, status)
        bound = self._bound.get(key)
        if bound is None:
            # A client may invent methods: one label for all of those.
            known = method if method in _METHODS else "other"
            bound = (
                self._requests.labels(known, route, str(status)),
                self._seconds.labels(route),
            )
            if known == method:
                self._bound[key] = bound
        bound[0].inc()
        bound[1].observe(took_s)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
