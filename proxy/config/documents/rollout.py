"""Stages, and the way from one to another in steps."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from proxy.analysis.conditions import OPERANDS, ConditionError, operands, parse_condition
from proxy.analysis.verdicts import METRICS, PARITY
from proxy.config.documents.base import Doc, RuledDoc, exactly_one
from proxy.config.faults import Fault, checked_text, did_you_mean, value_fault
from proxy.config.rollout_rules import failure_faults, order_faults
from proxy.config.texts import choice
from proxy.config.units import Duration, Percent
from proxy.model.stage import STAGES, Stage

MetricName = Literal[
    "success_rate",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "fallback_rate",
    "parity_rate",
]
StageName = Annotated[Stage, choice("stage", *STAGES)]


def _read_condition(value: Any) -> str:
    text = checked_text(value)
    try:
        parse_condition(text)
    except ConditionError as error:
        raise value_fault(
            str(error), did_you_mean(error.word, OPERANDS) if error.word else error.hint
        ) from None
    return text


Condition = Annotated[
    str,
    BeforeValidator(_read_condition),
    WithJsonSchema({"type": "string", "examples": ["new >= 0.995"]}),
]


class SetMirrorDoc(Doc):
    """A step that changes the percentage of copies."""

    percent: Percent = Field(description="The percentage of requests that are copied from then on")


class WaitDoc(Doc):
    """The duration of a step."""

    duration: Annotated[float, Duration("1s", "90d")] | None = Field(
        default=None,
        description="The duration; without it, until a person or the analysis ends the step",
    )


class StepDoc(RuledDoc):
    """One step of a rollout."""

    set_mirror: SetMirrorDoc | None = Field(
        default=None, description="Change the percentage of copies"
    )
    set_weight: Percent | None = Field(default=None, description="Change the newcomer's weight")
    set_stage: StageName | None = Field(default=None, description="Change the stage")
    analysis: WaitDoc | None = Field(default=None, description="Analyse the metrics")
    pause: WaitDoc | None = Field(default=None, description="Wait")

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self, ("set_mirror", "set_weight", "set_stage", "analysis", "pause"), "a step"
        )


class MetricDoc(RuledDoc):
    """A metric and its condition."""

    name: Annotated[MetricName, choice("metric", *METRICS)] = Field(
        description="The name of the metric"
    )
    success_condition: Condition = Field(description="The condition: comparisons, `and`, `or`")

    def faults(self) -> Iterator[Fault]:
        if self.name == PARITY and "legacy" in operands(parse_condition(self.success_condition)):
            text = "`legacy` in a condition of parity, which is one value for both backends"
            yield Fault(
                ("success_condition",), text, "compare `new` or `lower_bound` with a number"
            )


class AnalysisDoc(Doc):
    """How the newcomer is judged."""

    interval: Annotated[float, Duration("1s", "1d")] = Field(
        default=60.0, description="The time between two evaluations"
    )
    min_requests: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        default=1000, description="With fewer requests the analysis is inconclusive"
    )
    inconclusive: Annotated[
        Literal["pause", "fail", "proceed"], choice("reaction", "pause", "fail", "proceed")
    ] = Field(default="pause", description="The reaction to an inconclusive analysis")
    metrics: Annotated[list[MetricDoc], Field(min_length=1)] = Field(
        description="Every condition has to hold"
    )


class OnFailureDoc(RuledDoc):
    """The reaction to a failed analysis."""

    set_weight: Percent | None = Field(default=None, description="The newcomer's weight")
    set_stage: StageName | None = Field(default=None, description="The stage")

    def faults(self) -> Iterator[Fault]:
        yield from failure_faults(self)


class RolloutDoc(RuledDoc):
    """The steps from one stage to another."""

    steps: Annotated[list[StepDoc], Field(min_length=1)] = Field(description="The steps, in order")
    analysis: AnalysisDoc | None = Field(default=None, description="The metrics of the analysis")
    on_failure: OnFailureDoc | None = Field(
        default=None, description="The reaction to a failed analysis"
    )

    def faults(self) -> Iterator[Fault]:
        for position, step in enumerate(self.steps):
            if step.analysis is not None and self.analysis is None:
                text = "a step of analysis, and no metrics"
                yield Fault(("steps", position), text, "add `analysis:` to the rollout")
        yield from order_faults(self.steps)
