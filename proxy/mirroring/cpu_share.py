"""Limits the CPU time that a process takes. Pure, but for its two clocks, which are arguments."""

from collections.abc import Callable


class CpuShare:
    """`share` of one core, averaged over `burst_s / share` seconds. `cpu_s` is the CPU time of the process so far."""

    def __init__(
        self,
        share: float,
        burst_s: float,
        cpu_s: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._share = share
        self._burst_s = burst_s
        self._cpu_s = cpu_s
        self._clock = clock
        self._left_s = burst_s
        self._seen = cpu_s(), clock()

    def pause_s(self) -> float:
        """How long to take no more work. 0 while the share is kept."""
        before_cpu_s, before = self._seen
        cpu_s, now = self._seen = self._cpu_s(), self._clock()
        earned_s = self._share * (now - before)
        self._left_s = min(self._burst_s, self._left_s + earned_s - (cpu_s - before_cpu_s))
        return max(0.0, -self._left_s / self._share)
