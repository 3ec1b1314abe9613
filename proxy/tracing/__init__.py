"""Spans of requests for an OpenTelemetry collector (ADR 36). Without `--otlp-endpoint`, nothing here is imported."""
