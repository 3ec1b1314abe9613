"""Holds the current health of the backends, for decisions."""

from proxy.model import ALL_HEALTHY, Health


class CurrentHealth:
    """The health of all monitored backends. Its only writer replaces `current` when it changes."""

    __slots__ = ("current",)

    def __init__(self) -> None:
        self.current: Health = ALL_HEALTHY
