"""The result of a run, as a value."""

import statistics
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

Figures = dict[str, float]
"""The figures of one contestant in one scenario. Scenarios with load have `cpu_us` and `per_second`."""
Scenario = dict[str, Figures]

LOADED = (
    *("get", "unlike", "close", "post", "unlike-post", "cohort", "edited", "tls-close"),
    *("download", "upload"),
)
LATENCIES = {"latency-2000": 2_000, "latency-4000": 4_000}
"""Scenarios at a rate, in requests a second."""


class LoadFailed(Exception):
    """A contestant did not start, did not respond, or not with 200; the message says which."""


class Report(Struct):
    """One run."""

    rounds: int
    seconds: float
    machine: str = ""
    scenarios: dict[str, Scenario] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    """Sentences: which contestants do not take part, and why."""
    matching: list[str] = field(default_factory=list)
    reload: list[str] = field(default_factory=list)


def medians(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over rounds."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def ratio(scenario: Mapping[str, Figures], name: str, base: str, figure: str) -> float | None:
    """One contestant's figure, in multiples of another's; None where either is missing."""
    if name not in scenario or not scenario.get(base, {}).get(figure):
        return None
    return scenario[name][figure] / scenario[base][figure]
