"""The table's figures for Prometheus. Labels are bounded: the only one is the version in effect."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.table import Tables


class TableCollector(Collector):
    """Reads `tables` at each scrape: nothing is counted twice."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        current, state = self._tables.current, self._tables.state
        info = GaugeMetricFamily("facade_table_info", "The table in effect.", labels=["version"])
        info.add_metric([current.version], 1)
        yield info
        yield GaugeMetricFamily(
            "facade_table_age_seconds",
            "How long the table in effect has been.",
            max(0.0, time.time() - current.loaded_at),
        )
        yield GaugeMetricFamily(
            "facade_table_routes", "Routes of the table in effect.", current.index.size
        )
        yield GaugeMetricFamily(
            "facade_table_last_reload_ok",
            "1 if the last look at the file ended well, 0 if the last good table serves on.",
            float(state.ok),
        )
        yield CounterMetricFamily(
            "facade_table_reloads", "Tables that took effect after the first.", state.reloads
        )
        yield CounterMetricFamily(
            "facade_table_failed_reloads", "Edits that were refused.", state.failures
        )


def exposition(tables: Tables) -> bytes:
    """The text format 0.0.4 of the metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(TableCollector(tables))
    return generate_latest(registry)
