"""The rollout of a route: the steps from one stage to another, the analysis, and the way back."""

from msgspec import Struct

from proxy.model.stage import Stage


class RolloutStep(Struct, frozen=True):
    """One step. Exactly one of its kinds is given: an edit of the table, or a wait."""

    mirror_bp: int | None = None
    """Percentage of copies, in hundredths of a per cent."""
    weight_bp: int | None = None
    """The newcomer's weight, in hundredths of a per cent."""
    stage: Stage | None = None
    is_analysis: bool = False
    is_pause: bool = False
    duration_s: float | None = None
    """Of a wait. A pause without it lasts until a person promotes the rollout."""

    @property
    def waits(self) -> bool:
        return self.is_analysis or self.is_pause

    @property
    def is_watched(self) -> bool:
        """Whether the figures are judged during the step."""
        return self.is_analysis or (self.is_pause and self.duration_s is not None)


class Metric(Struct, frozen=True):
    """A metric and its condition, as `proxy.analysis.conditions` parses it."""

    name: str
    condition: str


class Analysis(Struct, frozen=True):
    """How the newcomer is judged."""

    metrics: tuple[Metric, ...]
    interval_s: float = 60.0
    min_requests: int = 1000
    inconclusive: str = "pause"
    """`pause`, `fail` or `proceed`."""


class OnFailure(Struct, frozen=True):
    """Where a failure leads. Weight and stage fit each other."""

    weight_bp: int = 0
    stage: Stage = "shadow"


class Rollout(Struct, frozen=True):
    """The steps in order."""

    steps: tuple[RolloutStep, ...]
    analysis: Analysis | None = None
    on_failure: OnFailure = OnFailure()

    @property
    def judged(self) -> int:
        """The number of judgements that share the probability of a false alarm: watched steps times metrics."""
        metrics = 0 if self.analysis is None else len(self.analysis.metrics)
        return max(1, metrics * sum(step.is_watched for step in self.steps))
