"""Which requests get a span. Pure; the draw is an argument."""

from collections.abc import Callable

from msgspec import Struct

from proxy.model import HeaderPairs
from proxy.routing.transforms.trace_context import TRACEPARENT, claimed_ids

_SAMPLED = 1


class Sampler(Struct, frozen=True):
    """As the client decided, if its `traceparent` is valid; otherwise `ratio` of the requests.

    `draw` returns a number from [0, 1).
    """

    ratio: float
    draw: Callable[[], float]

    def samples(self, headers: HeaderPairs) -> bool:
        """Whether a request with these fields gets a span."""
        if any(name == TRACEPARENT for name, _ in headers):
            parent = claimed_ids(headers, False).traceparent
            if parent is not None:
                return is_sampled(parent)
        return self.draw() < self.ratio


def is_sampled(traceparent: bytes) -> bool:
    """The sampled flag of a valid `traceparent` (W3C Trace Context 3.2.2.5)."""
    return bool(int(traceparent[53:55], 16) & _SAMPLED)
