"""Idempotency keys: a repeated command gets the outcome of the first one and has no second effect."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec import Struct

from flightspecial_service.application.outcomes import Outcome, Refused, outcome_text, read_outcome
from flightspecial_service.domain import Store, UnitOfWork
from flightspecial_service.errors import KeyReused, RequestError

Act: TypeAlias = Callable[[UnitOfWork], Awaitable[Outcome]]


class IdempotencyKey(Struct, frozen=True):
    """A client's name for one request, and a fingerprint of that request."""

    name: str
    fingerprint: bytes


async def run_idempotent(store: Store, key: IdempotencyKey | None, act: Act) -> Outcome:
    """Run `act` in a transaction, which also stores its outcome under the key.

    The outcome is stored if and only if the effect is, even if the process crashes. Client errors
    (4xx) are outcomes; server errors are not, and roll back the transaction. Raises KeyReused, and
    without a key the errors of `act`.
    """
    if key is None:
        return await store.run(act)
    name, fingerprint = key.name, key.fingerprint

    async def act_for_key(work: UnitOfWork) -> Outcome:
        stored = await work.claim(name, fingerprint)
        if stored is not None:
            return read_outcome(stored)
        outcome = await _refusal_as_value(act, work)
        await work.keep(name, outcome_text(outcome))
        return outcome

    return await store.run(act_for_key)


async def _refusal_as_value(act: Act, work: UnitOfWork) -> Outcome:
    """Commands check before they write: after a client error there is nothing to roll back."""
    try:
        return await act(work)
    except KeyReused:
        raise
    except RequestError as error:
        if error.status >= 500:
            raise
        return Refused(error.status, str(error))
