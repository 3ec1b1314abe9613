"""The outcome of one comparison: a value."""

from typing import Literal

from msgspec import Struct

Kind = Literal[
    "missing",
    "extra",
    "type",
    "value",
    "order",
    "length",
    "status",
    "header",
    "encoding",
    "slow",
]
"""`missing` and `extra` are seen from the newcomer: it lacks what the incumbent has, or has more."""

Result = Literal["equal", "different", "baseline_invalid", "not_compared"]
Example = str | int | float | bool | None
"""A bounded, redacted value: a scalar as it is, a container as the beginning of its JSON text. None: absent or null."""

Place = tuple[str, Kind]
"""A path with a kind of difference. A path is a JSON pointer with `*` for the members of arrays, `header:NAME`,
`status` or `body`."""


class Difference(Struct, frozen=True):
    """One place at which two responses differ, with the first example."""

    path: str
    kind: Kind
    left: Example = None
    right: Example = None

    @property
    def place(self) -> Place:
        return self.path, self.kind


class Outcome(Struct, frozen=True):
    """The outcome of one comparison.

    `differences` has each place once. A response that is only slow is `equal`, since one slow response is no evidence:
    the report judges all of them together. Declared differences and noise are among them: whether they count depends
    on the day and on what was learnt, so the report of the parity decides (`proxy.comparison.report`).
    """

    result: Result
    reason: str = ""
    """Why a baseline is invalid, or why bodies could not be compared: `too_large`, `too_deep`, `undecodable`."""
    differences: tuple[Difference, ...] = ()
    is_faster: bool = False
    """The newcomer was faster than the incumbent by as much as makes a response `slow`. Not a difference: it
    tells the report how much of the slowness is noise."""


EQUAL = Outcome("equal")
