"""Telemetry of requests: access log, counters in shared memory, Prometheus text."""
