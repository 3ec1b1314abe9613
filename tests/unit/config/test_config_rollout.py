"""Rollouts in the table: conditions, the order of steps, the way back, and the model of it all."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.analysis.conditions import operands, parse_condition
from proxy.model import Analysis, Metric, OnFailure, Rollout, RolloutStep
from tests.unit.config.config_tables import assert_problem, only_route, problems, with_route

ROUTE = "stage: canary, backend_refs: {legacy: 50, new: 50}, mirror: {percent: 0}, "


def with_rollout(rollout: str, route: str = ROUTE) -> str:
    return with_route(f"{route}rollout: {{{rollout}}}")


def with_metric(metric: str) -> str:
    return with_rollout(f"steps: [{{pause: {{}}}}], analysis: {{metrics: [{metric}]}}")


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ("new", "the condition ends too early — write one like \"new >= 0.995\""),
        ("__import__('os') >= 1", "`__import__('os') >= 1` is no condition — write one like \"new >= 0.995\""),
        ("newer >= 1", "`newer` is no value of a metric — did you mean `new`?"),
        ("1 >= 0", "the condition names no value of the metric — compare `new` with a number or `legacy`"),
        ("new / 0 >= 1", "the condition divides by 0 — write another number"),
        ("new / legacy >= 1", "the condition divides by a value that may be 0 — divide by a number, or multiply"),
        ("new >= 1" + " or new >= 1" * 20, "the condition has more than 200 characters — shorten it"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_evaluated_is_an_error(condition: str, text: str) -> None:
    metric = f'{{name: success_rate, success_condition: «"{condition}"}}'
    assert_problem(with_metric(metric), text)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ('{name: «sucess_rate, success_condition: "new >= 1"}', "`sucess_rate` is no metric — did you mean `success_rate`?"),
        ('{name: parity_rate, success_condition: «"new >= legacy"}', "`legacy` in a condition of parity, which is one value for both backends — compare `new` or `lower_bound` with a number"),
    ],
)  # fmt: skip
def test_a_metric_that_cannot_be_measured_is_an_error(metric: str, text: str) -> None:
    assert_problem(with_metric(metric), text)


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ("{set_weight: 50}, {set_weight: «5}", "weight 5 after 50 moves clients back — put the weights in order; `on_failure` is the way back"),
        ("{set_stage: live}, {set_weight: «50}", "weight 50 after 100 moves clients back — put the weights in order; `on_failure` is the way back"),
        ("{set_stage: retired}, {set_weight: «50}", "a weight after stage retired — leave it out, or put it before"),
        ("{set_weight: 50}, {set_stage: «shadow}", "stage shadow after canary moves back — put the stages in order"),
        ("{set_weight: 100}, {set_stage: «canary}", "stage canary after live moves back — put the stages in order"),
        ("{set_stage: shadow}, {set_stage: «canary}", "stage canary after weight 0 — write `set_weight: 5`, which sets the stage, too"),
    ],
)  # fmt: skip
def test_steps_that_contradict_each_other_are_an_error(steps: str, text: str) -> None:
    assert_problem(with_rollout(f"steps: [{steps}]"), text)


@pytest.mark.parametrize(
    "steps",
    [
        "{set_stage: shadow}, {set_mirror: {percent: 100}}, {set_weight: 0}, {set_weight: 5}, {set_weight: 100}, {set_stage: live}, {set_stage: retired}",
        "{set_stage: canary}, {set_weight: 5}, {set_weight: 5}",
        "{set_weight: 0}, {set_weight: 0.5}, {set_stage: live}",
    ],
)  # fmt: skip
def test_steps_that_lead_forward_are_valid(steps: str) -> None:
    assert problems(with_rollout(f"steps: [{steps}]")) == []


@pytest.mark.parametrize("route", ["stage: legacy, backend_refs: {legacy: 100, new: 0}", "stage: live, backend_refs: {legacy: 0, new: 100}"])  # fmt: skip
def test_steps_are_valid_in_every_stage_that_they_lead_through(route: str) -> None:
    assert problems(with_rollout("steps: [{set_weight: 5}, {set_stage: live}]", f"{route}, ")) == []


@pytest.mark.parametrize(
    ("on_failure", "text"),
    [
        ("«{}", "nothing is done on failure — write `set_weight` or `set_stage`"),
        ("{set_stage: «live}", "a failure leads to more traffic for the newcomer — write `{set_weight: 0, set_stage: shadow}`"),
        ("{set_weight: «100}", "a failure leads to more traffic for the newcomer — write `{set_weight: 0, set_stage: shadow}`"),
        ("{set_stage: «canary}", "stage canary without a weight — add `set_weight: 5`"),
        ("{set_weight: «5, set_stage: shadow}", "stage shadow wants weight 0, not 5 — write `set_weight: 0`, or `set_stage: canary`"),
    ],
)  # fmt: skip
def test_a_way_back_that_is_none_is_an_error(on_failure: str, text: str) -> None:
    assert_problem(with_rollout(f"steps: [{{pause: {{}}}}], on_failure: {on_failure}"), text)


def test_copies_cannot_change_without_a_mirror() -> None:
    route = "stage: canary, backend_refs: {legacy: 50, new: 50}, "
    assert_problem(
        with_rollout("steps: [{«set_mirror: {percent: 5}}]", route),
        "a step changes the copies, and the route has no `mirror` — add `mirror: {percent: 0}`",
    )


@pytest.mark.parametrize(
    ("on_failure", "model"),
    [
        ("", OnFailure(0, "shadow")),
        (", on_failure: {set_weight: 0}", OnFailure(0, "shadow")),
        (", on_failure: {set_stage: legacy}", OnFailure(0, "legacy")),
        (", on_failure: {set_weight: 1}", OnFailure(100, "canary")),
        (", on_failure: {set_weight: 1, set_stage: canary}", OnFailure(100, "canary")),
    ],
)
def test_the_way_back_has_a_weight_and_its_stage(on_failure: str, model: OnFailure) -> None:
    rollout = only_route(with_rollout(f"steps: [{{pause: {{}}}}]{on_failure}")).rollout
    assert rollout is not None
    assert rollout.on_failure == model


def test_the_model_of_a_rollout() -> None:
    metric = '{name: success_rate, success_condition: "new >= 0.995"}'
    text = with_rollout(
        "steps: [{set_mirror: {percent: 50}}, {set_weight: 5}, {pause: {duration: 30m}}, {pause: {}}, "
        f"{{analysis: {{duration: 1h}}}}, {{set_stage: live}}], analysis: {{metrics: [{metric}]}}"
    )
    assert only_route(text).rollout == Rollout(
        (
            RolloutStep(mirror_bp=5000),
            RolloutStep(weight_bp=500),
            RolloutStep(is_pause=True, duration_s=1800.0),
            RolloutStep(is_pause=True),
            RolloutStep(is_analysis=True, duration_s=3600.0),
            RolloutStep(stage="live"),
        ),
        Analysis((Metric("success_rate", "new >= 0.995"),)),
        OnFailure(0, "shadow"),
    )


def test_watched_steps_share_the_probability_of_a_false_alarm() -> None:
    waits = (
        RolloutStep(is_pause=True),
        RolloutStep(is_pause=True, duration_s=1.0),
        RolloutStep(is_analysis=True),
        RolloutStep(weight_bp=5),
    )
    assert [each.waits for each in waits] == [True, True, True, False]
    metrics = (Metric("success_rate", "new >= 1"), Metric("fallback_rate", "new <= 0"))
    assert Rollout(waits, Analysis(metrics)).judged == 4
    assert Rollout(waits).judged == 1


def test_a_condition_of_the_table_can_be_parsed_again() -> None:
    text = with_metric('{name: latency_p99_ms, success_condition: "new <= legacy * 1.25 + 20"}')
    rollout = only_route(text).rollout
    assert rollout is not None
    assert rollout.analysis is not None
    (metric,) = rollout.analysis.metrics
    assert operands(parse_condition(metric.condition)) == {"new", "legacy"}
