"""The states of endpoints in memory that all processes of a facade share: one writer, all processes read (ADR 25)."""

import mmap
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from proxy.health.state import EndpointState
from proxy.telemetry.shared_block import checked, with_checksum

_HEAD_BYTES = 8
_MAX_BYTES = 4 * 1024 * 1024
"""Room for the states of about 10,000 endpoints. Pages that are never written take no memory."""


class HealthReport(Struct, frozen=True):
    """The states of all endpoints that are monitored, by backend and by the endpoint's label."""

    backends: Mapping[str, Mapping[str, EndpointState]] = {}


class SharedHealth:
    """`HealthMonitor` is the only writer. A number counts its changes, so that readers need not read the report."""

    def __init__(self) -> None:
        view = memoryview(mmap.mmap(-1, _HEAD_BYTES + _MAX_BYTES))
        self._generation = view[:_HEAD_BYTES].cast("q")
        self._memory = view[_HEAD_BYTES:]
        self._last = HealthReport()

    @property
    def generation(self) -> int:
        """It is greater after each change that readers have to follow."""
        return self._generation[0]

    def publish(self, report: HealthReport, *, is_change: bool) -> bool:
        """Replace the report. Returns whether there was room; the last report stays if not.

        Without `is_change`, only counts differ, which readers need not follow.
        """
        block = with_checksum(msgspec.json.encode(report))
        if len(block) > len(self._memory):
            return False
        self._memory[: len(block)] = block
        if is_change:
            self._generation[0] += 1
        return True

    def read(self) -> HealthReport:
        """The last report; while a new one is being written, the one before."""
        text = checked(self._memory)
        if text is not None:
            self._last = msgspec.json.decode(text, type=HealthReport)
        return self._last
