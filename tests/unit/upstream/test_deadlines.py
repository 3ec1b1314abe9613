"""Each wait of an upstream connection has the time-out of the table that docs/routes.md gives it."""

import pytest

from proxy.model import Timeouts
from proxy.upstream.deadlines import Wait, overdue_text

_TIMEOUTS = Timeouts(stream_idle_s=3.0, tunnel_idle_s=7.0, backend_request_s=2.0, request_s=9.0)


@pytest.mark.parametrize(
    ("wait", "limit_s", "names"),
    [
        ("upload", 3.0, "stream_idle: 3s"),
        ("head", 2.0, "backend_request: 2s"),
        ("body", 3.0, "stream_idle: 3s"),
        ("tunnel", 7.0, "7 s (tunnel_idle)"),
    ],
)
def test_a_wait_is_overdue_at_its_limit_and_names_it(
    wait: Wait, limit_s: float, names: str
) -> None:
    text = overdue_text(wait, limit_s, _TIMEOUTS)
    assert text is not None
    assert names in text
    assert overdue_text(wait, limit_s - 0.001, _TIMEOUTS) is None


def test_a_wait_for_the_client_is_never_overdue() -> None:
    assert overdue_text("client", 1e9, _TIMEOUTS) is None
