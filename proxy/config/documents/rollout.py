"""Stages, and the way from one to another in steps."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from proxy.config.documents.base import Doc, RuledDoc, exactly_one
from proxy.config.faults import Fault, checked_text, did_you_mean, quoted, value_fault
from proxy.config.texts import Name, choice
from proxy.config.units import Duration, Percent
from proxy.model.stage import STAGES, Stage

StageName = Annotated[Stage, choice("stage", *STAGES)]

_TERM = r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?|[a-z][a-z0-9_]{0,40})"
_SUM = rf"{_TERM}(?: *[-+*/] *{_TERM}){{0,8}}"
_COMPARISON = rf"{_SUM} *(?:>=|<=|==|>|<) *{_SUM}"
_CONDITION = re.compile(rf"{_COMPARISON}(?: +(?:and|or) +{_COMPARISON}){{0,8}}")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_OPERANDS = ("new", "legacy", "lower_bound", "upper_bound")


def _read_condition(value: Any) -> str:
    text = checked_text(value)
    if len(text) > 200 or not _CONDITION.fullmatch(text):
        raise value_fault(f"{quoted(text)} is no condition", 'write one like "new >= 0.995"')
    for word in _WORD.findall(text):
        if word not in (*_OPERANDS, "and", "or"):
            raise value_fault(
                f"{quoted(word)} is no value of a metric", did_you_mean(word, _OPERANDS)
            )
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


class MetricDoc(Doc):
    """A metric and its condition."""

    name: Name = Field(description="The name of the metric")
    success_condition: Condition = Field(description="The condition: comparisons, `and`, `or`")


class AnalysisDoc(Doc):
    """How the newcomer is judged."""

    interval: Annotated[float, Duration("1s", "1d")] = Field(
        default=60.0, description="The time between two evaluations"
    )
    min_requests: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        default=100, description="With fewer requests the analysis is inconclusive"
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
        if self.set_weight is None and self.set_stage is None:
            yield Fault((), "nothing is done on failure", "write `set_weight` or `set_stage`")


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
