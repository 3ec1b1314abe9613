"""Stages, and the way from one to another in steps."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from proxy.config.documents.base import Doc, RuledDoc, exactly_one
from proxy.config.faults import Fault, did_you_mean, named, text_of, wrong
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
    text = text_of(value)
    if len(text) > 200 or not _CONDITION.fullmatch(text):
        raise wrong(f"{named(text)} is no condition", 'write one like "new >= 0.995"')
    for word in _WORD.findall(text):
        if word not in (*_OPERANDS, "and", "or"):
            raise wrong(f"{named(word)} is no value of a metric", did_you_mean(word, _OPERANDS))
    return text


Condition = Annotated[
    str,
    BeforeValidator(_read_condition),
    WithJsonSchema({"type": "string", "examples": ["new >= 0.995"]}),
]


class SetMirrorDoc(Doc):
    """A step that changes the mirrored share."""

    percent: Percent = Field(description="The share that is copied from now on")


class WaitDoc(Doc):
    """How long a step takes."""

    duration: Annotated[float, Duration("1s", "90d")] | None = Field(
        default=None, description="How long; without it, until a person or the analysis says so"
    )


class StepDoc(RuledDoc):
    """One step of a rollout."""

    set_mirror: SetMirrorDoc | None = Field(default=None, description="Change the mirrored share")
    set_weight: Percent | None = Field(default=None, description="Change the newcomer's weight")
    set_stage: StageName | None = Field(default=None, description="Change the stage")
    analysis: WaitDoc | None = Field(default=None, description="Ask the metrics")
    pause: WaitDoc | None = Field(default=None, description="Wait")

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self, ("set_mirror", "set_weight", "set_stage", "analysis", "pause"), "a step"
        )


class MetricDoc(Doc):
    """One figure and what it has to be."""

    name: Name = Field(description="Which figure")
    success_condition: Condition = Field(description="What has to hold: comparisons, `and`, `or`")


class AnalysisDoc(Doc):
    """When the newcomer is good enough."""

    interval: Annotated[float, Duration("1s", "1d")] = Field(
        default=60.0, description="From one look to the next"
    )
    min_requests: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        default=100, description="With fewer it is inconclusive"
    )
    inconclusive: Annotated[
        Literal["pause", "fail", "proceed"], choice("reaction", "pause", "fail", "proceed")
    ] = Field(default="pause", description="What follows where too little is known")
    metrics: Annotated[list[MetricDoc], Field(min_length=1)] = Field(description="All have to hold")


class OnFailureDoc(RuledDoc):
    """What a failed analysis changes."""

    set_weight: Percent | None = Field(default=None, description="The newcomer's weight")
    set_stage: StageName | None = Field(default=None, description="The stage")

    def faults(self) -> Iterator[Fault]:
        if self.set_weight is None and self.set_stage is None:
            yield Fault((), "nothing is done on failure", "write `set_weight` or `set_stage`")


class RolloutDoc(RuledDoc):
    """The way from one stage to another, in steps."""

    steps: Annotated[list[StepDoc], Field(min_length=1)] = Field(description="In this order")
    analysis: AnalysisDoc | None = Field(default=None, description="What the analysis asks")
    on_failure: OnFailureDoc | None = Field(default=None, description="What a failure changes")

    def faults(self) -> Iterator[Fault]:
        for position, step in enumerate(self.steps):
            if step.analysis is not None and self.analysis is None:
                text = "a step of analysis, and no metrics"
                yield Fault(("steps", position), text, "add `analysis:` to the rollout")
