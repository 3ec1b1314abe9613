"""Which requests get a span."""

import pytest

from proxy.tracing.sampling import Sampler, is_sampled

IDS = b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("traceparent", "draw", "sampled"),
    [
        (b"00-%b-01" % IDS, 0.9, True),
        (b"00-%b-03" % IDS, 0.9, True),
        (b"00-%b-00" % IDS, 0.0, False),
        (b"00-%b-02" % IDS, 0.0, False),
        (b"garbage", 0.0, True),
        (b"garbage", 0.9, False),
        (None, 0.09, True),
        (None, 0.1, False),
    ],
)
def test_the_client_decides_and_otherwise_the_draw(
    traceparent: bytes | None, draw: float, sampled: bool
) -> None:
    headers = [] if traceparent is None else [(b"traceparent", traceparent)]
    assert Sampler(0.1, lambda: draw).samples([(b"accept", b"*/*"), *headers]) is sampled


def test_a_context_of_a_later_version_may_have_more_parts() -> None:
    assert is_sampled(b"01-%b-01-more" % IDS)
