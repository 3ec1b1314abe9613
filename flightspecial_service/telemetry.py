"""Prometheus metrics. Each app has its own registry, so that tests can run several in one process."""

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
    """The metrics. Children of labelled metrics are cached, as looking one up costs more than counting."""

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
        self._refusals = Counter(
            "flightspecials_http_refusals_total",
            "Connections ended because of a limit or of malformed HTTP",
            ("status",),
            registry=self._registry,
        )
        self.query_seconds = self._histogram(
            "flightspecials_db_query_duration_seconds", "Time of one query"
        )
        self.pool_wait_seconds = self._histogram(
            "flightspecials_db_pool_wait_seconds",
            "Time until a connection of the pool was there, or the wait was given up",
        )
        self.slow_queries = Counter(
            "flightspecials_slow_queries_total",
            "Queries slower than the limit",
            registry=self._registry,
        )
        self._bound: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(name, help_text, buckets=_BUCKETS_S, registry=self._registry)

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Add a gauge whose value is read at each scrape."""
        Gauge(name, help_text, registry=self._registry).set_function(value)

    def count_request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request. `route` is the path template."""
        key = (method, route, status)
        bound = self._bound.get(key)
        if bound is None:
            # Methods are chosen by the client: unknown ones share one label, to bound the number of series.
            known = method if method in _METHODS else "other"
            bound = (
                self._requests.labels(known, route, str(status)),
                self._seconds.labels(route),
            )
            if known == method:
                self._bound[key] = bound
        bound[0].inc()
        bound[1].observe(took_s)

    def count_refusal(self, status: int) -> None:
        """Count a connection that was ended before its request reached the app."""
        self._refusals.labels(str(status)).inc()

    def text(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self._registry)
