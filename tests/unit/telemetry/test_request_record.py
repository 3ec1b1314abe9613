"""Whether a request got a good response."""

import pytest

from proxy.errors import ClientGone, RequestError, UpstreamBroke
from proxy.telemetry.request_record import Record


@pytest.mark.parametrize(
    ("status", "verdict", "error", "is_ok"),
    [
        pytest.param(200, None, None, True, id="not judged, below 500"),
        pytest.param(503, None, None, False, id="not judged, from 500"),
        pytest.param(200, False, None, False, id="judged as not ok"),
        pytest.param(503, True, None, True, id="judged as ok"),
        pytest.param(200, True, UpstreamBroke(""), False, id="broke off later"),
        pytest.param(499, None, ClientGone(""), True, id="the client left"),
        pytest.param(0, None, None, False, id="no response"),
    ],
)
def test_a_record_tells_whether_the_response_was_ok(
    status: int, verdict: bool | None, error: RequestError | None, is_ok: bool
) -> None:
    assert Record("v", status=status, verdict=verdict, error=error).response_ok is is_ok
