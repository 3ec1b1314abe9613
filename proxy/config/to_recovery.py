"""Converts `response_ok`, `retry`, `fallback` and `writes` of a route."""

from proxy.config.documents.migration import FallbackDoc, ResponseOkDoc, RetryDoc, WritesDoc
from proxy.model import SINGLE_WRITER, Budget, Fallback, ResponseOk, Retry, Writes


def response_ok(doc: ResponseOkDoc | None) -> ResponseOk | None:
    """The definition of a good response."""
    return None if doc is None else ResponseOk(frozenset(doc.status), doc.json_type)


def retry(doc: RetryDoc | None) -> Retry | None:
    """The retries of a route."""
    if doc is None:
        return None
    return Retry(doc.attempts, frozenset(doc.codes), doc.backoff, Budget(doc.budget.percent))


def fallback(doc: FallbackDoc | None) -> Fallback | None:
    """The fallback of a route."""
    if doc is None:
        return None
    budget = None if doc.budget is None else Budget(doc.budget.percent)
    return Fallback(frozenset(map(str, doc.triggers)), budget)


def writes(doc: WritesDoc | None) -> Writes:
    """How writes of a route may be repeated."""
    if doc is None:
        return SINGLE_WRITER
    return Writes(doc.policy, doc.idempotency_key, doc.shadow_url)
