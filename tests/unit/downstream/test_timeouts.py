"""Deadlines of a client connection, second by second."""

import pytest

from proxy.downstream.timeouts import ClientTimeouts, Expiry, Phase, Progress
from proxy.model import Limits, Listener, Timeouts

LISTENER = Listener(head_timeout_s=10, idle_timeout_s=75)
TIMEOUTS = Timeouts(stream_idle_s=60, body_idle_s=30)
LIMITS = Limits(min_body_rate=100)


def check(deadlines: ClientTimeouts, now: float, progress: Progress) -> Expiry | None:
    return deadlines.check(now, progress, LISTENER, TIMEOUTS, LIMITS)


def reason(expiry: Expiry | None) -> str:
    if expiry is None:
        return "goes on"
    return expiry.error.reason if expiry.error is not None else "closed"


@pytest.mark.parametrize(
    ("phase", "waits_s", "expected"),
    [
        ("idle", 74.9, "goes on"),
        ("idle", 75.0, "closed"),
        ("head", 9.9, "goes on"),
        ("head", 10.0, "head_timeout"),
        ("body", 4.9, "goes on"),
        ("body", 5.0, "too_slow"),
        ("response", 100_000.0, "goes on"),
    ],
)
def test_the_deadline_of_a_phase(phase: Phase, waits_s: float, expected: str) -> None:
    deadlines = ClientTimeouts()
    assert check(deadlines, 100, Progress(phase, 1)) is None
    assert reason(check(deadlines, 100 + waits_s, Progress(phase, 1))) == expected


def test_the_next_request_has_its_own_deadlines() -> None:
    deadlines = ClientTimeouts()
    check(deadlines, 0, Progress("head", 1))
    check(deadlines, 9, Progress("head", 2))
    assert check(deadlines, 18, Progress("head", 2)) is None
    assert reason(check(deadlines, 19, Progress("head", 2))) == "head_timeout"


def test_a_body_may_pause_for_a_limited_time() -> None:
    deadlines = ClientTimeouts()
    check(deadlines, 0, Progress("body", 1, 0))
    check(deadlines, 1, Progress("body", 1, 1_000_000))
    assert check(deadlines, 30.9, Progress("body", 1, 1_000_000)) is None
    assert reason(check(deadlines, 31, Progress("body", 1, 1_000_000))) == "body_timeout"


def test_a_body_below_the_lowest_rate_is_too_slow() -> None:
    deadlines = ClientTimeouts()
    for second in range(5):
        assert check(deadlines, second, Progress("body", 1, second * 99)) is None
    assert reason(check(deadlines, 5, Progress("body", 1, 5 * 99))) == "too_slow"


def test_time_in_which_we_do_not_read_does_not_count() -> None:
    deadlines = ClientTimeouts()
    check(deadlines, 0, Progress("body", 1, 600))
    for second in range(1, 200):
        assert check(deadlines, second, Progress("body", 1, 600, is_paused=True)) is None
    assert check(deadlines, 204, Progress("body", 1, 600)) is None


def test_a_client_that_does_not_read_its_response_is_closed() -> None:
    deadlines = ClientTimeouts()
    check(deadlines, 0, Progress("response", 1, unsent_bytes=70_000))
    check(deadlines, 59, Progress("response", 1, unsent_bytes=60_000))
    assert check(deadlines, 118, Progress("response", 1, unsent_bytes=60_000)) is None
    assert reason(check(deadlines, 119, Progress("response", 1, unsent_bytes=60_000))) == "closed"
