"""Holds the current health of the backends, for decisions."""

from msgspec.structs import replace

from proxy.model import ALL_HEALTHY, Health


class CurrentHealth:
    """The health of all monitored backends as a worker sees it. `HealthFollower` replaces `current` when it changes."""

    __slots__ = ("current", "has_ended_trials", "tried")

    def __init__(self) -> None:
        self.current: Health = ALL_HEALTHY
        self.tried: set[str] = set()
        """The backends whose breaker is half-open, and that a request tries."""
        self.has_ended_trials = False
        """Another request may try a backend: `current` has to be made again."""

    def begin_trial(self, backend: str) -> None:
        """A request tries a backend whose breaker is half-open: it is open for others until this request has ended."""
        health = self.current.backends[backend]
        self.tried.add(backend)
        self.current = Health({**self.current.backends, backend: replace(health, breaker="open")})

    def end_trial(self, backend: str) -> None:
        """The request that tried a backend has ended, or goes elsewhere."""
        if backend in self.tried:
            self.tried.discard(backend)
            self.has_ended_trials = True
