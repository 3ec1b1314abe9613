"""Converts the documents about the health of endpoints into values of `proxy.model`."""

from proxy.config.documents.backends import (
    BackendDoc,
    HealthCheckDoc,
    OutlierDetectionDoc,
    SlowStartDoc,
)
from proxy.model import HealthCheck, OutlierDetection, SlowStart

_MAX_EJECTION_TIME_S = 300.0


def monitoring(
    doc: BackendDoc,
) -> tuple[HealthCheck | None, OutlierDetection | None, SlowStart | None]:
    """How a backend's endpoints are probed and ejected, and how they return."""
    check, outliers, slow = doc.health_check, doc.outlier_detection, doc.slow_start
    return (
        None if check is None else _health_check(check),
        None if outliers is None else _outlier_detection(outliers),
        None if slow is None else _slow_start(slow),
    )


def _health_check(doc: HealthCheckDoc) -> HealthCheck:
    return HealthCheck(
        doc.path, doc.interval, doc.timeout, doc.unhealthy_threshold, doc.healthy_threshold
    )


def _outlier_detection(doc: OutlierDetectionDoc) -> OutlierDetection:
    base_s = doc.base_ejection_time
    return OutlierDetection(
        doc.consecutive_5xx,
        doc.consecutive_gateway_failure,
        doc.interval,
        base_s,
        doc.max_ejection_time or max(_MAX_EJECTION_TIME_S, base_s),
        doc.max_ejection_percent,
        doc.success_rate_minimum_hosts,
        doc.success_rate_request_volume,
        doc.success_rate_stdev_factor,
        doc.failure_percentage_threshold,
        doc.failure_percentage_minimum_hosts,
        doc.failure_percentage_request_volume,
    )


def _slow_start(doc: SlowStartDoc) -> SlowStart:
    return SlowStart(doc.window, doc.min_weight_percent)
