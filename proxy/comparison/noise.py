"""Tells noise from faults: how often responses differ at a place, beside how often the incumbent differs from itself.

A place is noise if the incumbent differs from itself there, and the newcomer does not differ from it more often. The
test is that of two proportions which holds at every look (`proxy.analysis.confidence`), so looking often makes no fault
out of noise. Where the incumbent was not seen to differ from itself, a difference counts; as long as too few
repetitions exclude that it does, only the lower bound of the parity counts it.
"""

from typing import Literal

from msgspec import Struct

from proxy.analysis.confidence import Proportion, difference_bounds, proportion_bounds

State = Literal["noise", "real", "unsure"]

ALPHA = 0.001
"""The probability with which a place that is noise is ever called a fault."""


class Trials(Struct, frozen=True):
    """The numbers of comparisons in which a difference could be seen."""

    compared: int
    replayed: int
    faster: int
    """Comparisons in which the newcomer was the faster one, by as much as makes a response slow."""


def state_of_place(count: int, replays: int, trials: Trials) -> State:
    """What a place is at which the newcomer differed `count` times and the incumbent `replays` times from itself."""
    newcomer = Proportion(count, trials.compared)
    incumbent = Proportion(min(replays, trials.replayed), trials.replayed)
    if difference_bounds(newcomer, incumbent, ALPHA)[0] > 0:
        return "real"
    return "noise" if replays else "unsure"


def state_of_slowness(slow: int, trials: Trials) -> State:
    """What slow responses are. If both backends are equally fast, each of them is slow as often as the other."""
    return "real" if proportion_bounds(slow, slow + trials.faster, ALPHA)[0] > 0.5 else "noise"
