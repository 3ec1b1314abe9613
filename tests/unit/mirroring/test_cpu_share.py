"""The CPU share of the mirror process."""

from msgspec import Struct

from proxy.mirroring.cpu_share import CpuShare


class Clocks(Struct):
    cpu_s: float = 0.0
    now: float = 0.0


def test_work_pauses_until_the_share_is_kept_again() -> None:
    clocks = Clocks()
    share = CpuShare(0.5, 0.25, lambda: clocks.cpu_s, lambda: clocks.now)
    clocks.cpu_s, clocks.now = 0.25, 0.25  # A burst: it has earned 0.125 s of them.
    assert share.pause_s() == 0
    clocks.cpu_s, clocks.now = 0.75, 0.75
    assert share.pause_s() == 0.25
    clocks.now = 0.875
    assert share.pause_s() == 0.125
    clocks.now = 1.0
    assert share.pause_s() == 0


def test_an_idle_process_earns_no_more_than_a_burst() -> None:
    clocks = Clocks()
    share = CpuShare(0.5, 0.25, lambda: clocks.cpu_s, lambda: clocks.now)
    clocks.now = 1_000.0
    assert share.pause_s() == 0
    clocks.cpu_s = 0.5
    assert share.pause_s() == 0.5
