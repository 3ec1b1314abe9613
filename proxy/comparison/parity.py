"""The parity of one route: outcomes, counted in bounded memory.

Each worker has a `Parity` of its own. Its `counts` are a value: they can be encoded with msgspec, kept in a file across
restarts, and merged with those of other workers and replicas (`merged`). `proxy.comparison.report` makes the report.
"""

from collections.abc import Iterable

from msgspec import Struct, field

from proxy.comparison.outcome import Outcome


class ParityCounts(Struct):
    """Counts of one route. Encode them with `msgspec.json`."""

    slices: dict[str, int] = field(default_factory=dict)


class Parity:
    """Counts the outcomes of one route in one process. `now` is Unix time in seconds."""

    def __init__(self, window_s: float = 86_400.0, counts: ParityCounts | None = None) -> None:
        """`counts` are those of an earlier process."""
        self.counts = counts or ParityCounts()

    def add(self, outcome: Outcome, now: float, user: int | None = None) -> None:
        """Count a comparison of incumbent and newcomer. `user` is `user_hash` of the cohort key, if there is one."""

    def add_replay(self, outcome: Outcome, now: float) -> None:
        """Count a comparison of the incumbent with itself: the source of noise."""

    def drop(self, reason: str, now: float, count: int = 1) -> None:
        """Count copies that were not sent or not compared."""


def merged(parts: Iterable[ParityCounts]) -> ParityCounts:
    """The counts of several workers or replicas together."""
    return ParityCounts()
