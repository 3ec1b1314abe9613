"""Converts the document of a rollout into the values of `proxy.model`."""

from proxy.config.documents.rollout import AnalysisDoc, OnFailureDoc, RolloutDoc, StepDoc
from proxy.model import Analysis, Metric, OnFailure, Rollout, RolloutStep


def rollout(doc: RolloutDoc) -> Rollout:
    """The steps with what is implied."""
    return Rollout(
        tuple(map(_step, doc.steps)),
        None if doc.analysis is None else _analysis(doc.analysis),
        OnFailure() if doc.on_failure is None else _on_failure(doc.on_failure),
    )


def _step(doc: StepDoc) -> RolloutStep:
    wait = doc.analysis or doc.pause
    return RolloutStep(
        None if doc.set_mirror is None else doc.set_mirror.percent,
        doc.set_weight,
        doc.set_stage,
        doc.analysis is not None,
        doc.pause is not None,
        None if wait is None else wait.duration,
    )


def _analysis(doc: AnalysisDoc) -> Analysis:
    metrics = tuple(Metric(each.name, each.success_condition) for each in doc.metrics)
    return Analysis(metrics, doc.interval, doc.min_requests, doc.inconclusive)


def _on_failure(doc: OnFailureDoc) -> OnFailure:
    weight = doc.set_weight or 0
    return OnFailure(weight, doc.set_stage or ("canary" if weight else "shadow"))
