"""Errors for exceeded limits of a route. Each names the field of the table and its value."""

from proxy.errors import TooLarge, UpstreamTimeout
from proxy.model import Route, Timeouts


def body_too_large(route: Route) -> TooLarge:
    """For a body that exceeds `limits.max_body_bytes`."""
    limit = route.limits.max_body_bytes
    return TooLarge(f"the body exceeds limits.max_body_bytes of route {route.name}: {limit} bytes")


def total_exceeded(timeouts: Timeouts) -> UpstreamTimeout:
    """For a request whose `timeouts.total` is over."""
    return UpstreamTimeout(f"the request was not complete within total: {timeouts.total_s:g}s")
