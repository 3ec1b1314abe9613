"""What a client may take of our time, second by second."""

import pytest

from proxy.downstream.timeouts import ClientTimeouts, Expiry, Phase, Progress
from proxy.model import Limits, Listener, Timeouts

LISTENER = Listener(head_timeout_s=10, idle_timeout_s=75)
TIMEOUTS = Timeouts(stream_idle_s=60, body_idle_s=30)
LIMITS = Limits(min_body_rate=100)


def judged(bounds: ClientTimeouts, now: float, seen: Progress) -> Expiry | None:
    return bounds.check(now, seen, LISTENER, TIMEOUTS, LIMITS)


def reason(verdict: Expiry | None) -> str:
    if verdict is None:
        return "goes on"
    return verdict.error.reason if verdict.error is not None else "ends"


@pytest.mark.parametrize(
    ("phase", "waits_s", "then"),
    [
        ("idle", 74.9, "goes on"),
        ("idle", 75.0, "ends"),
        ("head", 9.9, "goes on"),
        ("head", 10.0, "head_timeout"),
        ("body", 4.9, "goes on"),
        ("body", 5.0, "too_slow"),
        ("answer", 100_000.0, "goes on"),
    ],
)
def test_a_phase_lasts_so_long(phase: Phase, waits_s: float, then: str) -> None:
    bounds = ClientTimeouts()
    assert judged(bounds, 100, Progress(phase, 1)) is None
    assert reason(judged(bounds, 100 + waits_s, Progress(phase, 1))) == then


def test_the_next_request_begins_anew() -> None:
    bounds = ClientTimeouts()
    judged(bounds, 0, Progress("head", 1))
    judged(bounds, 9, Progress("head", 2))
    assert judged(bounds, 18, Progress("head", 2)) is None
    assert reason(judged(bounds, 19, Progress("head", 2))) == "head_timeout"


def test_a_body_may_pause_but_not_fall_silent() -> None:
    bounds = ClientTimeouts()
    judged(bounds, 0, Progress("body", 1, 0))
    judged(bounds, 1, Progress("body", 1, 1_000_000))
    assert judged(bounds, 30.9, Progress("body", 1, 1_000_000)) is None
    assert reason(judged(bounds, 31, Progress("body", 1, 1_000_000))) == "body_timeout"


def test_a_body_that_drips_is_too_slow_on_average() -> None:
    bounds = ClientTimeouts()
    for second in range(5):
        assert judged(bounds, second, Progress("body", 1, second * 99)) is None
    assert reason(judged(bounds, 5, Progress("body", 1, 5 * 99))) == "too_slow"


def test_time_in_which_we_do_not_read_is_not_the_clients() -> None:
    bounds = ClientTimeouts()
    judged(bounds, 0, Progress("body", 1, 600))
    for second in range(1, 200):
        assert judged(bounds, second, Progress("body", 1, 600, held_by_us=True)) is None
    assert judged(bounds, 204, Progress("body", 1, 600)) is None


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off() -> None:
    bounds = ClientTimeouts()
    judged(bounds, 0, Progress("answer", 1, unsent_bytes=70_000))
    judged(bounds, 59, Progress("answer", 1, unsent_bytes=60_000))
    assert judged(bounds, 118, Progress("answer", 1, unsent_bytes=60_000)) is None
    assert reason(judged(bounds, 119, Progress("answer", 1, unsent_bytes=60_000))) == "ends"
