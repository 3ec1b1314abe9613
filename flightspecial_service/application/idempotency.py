"""Idempotency: a command that comes twice with one key is carried out once, and told twice."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec import Struct

from flightspecial_service.application.outcomes import Outcome, Refused, outcome_text, read_outcome
from flightspecial_service.domain import Store, UnitOfWork
from flightspecial_service.errors import KeyReused, RequestError

Act: TypeAlias = Callable[[UnitOfWork], Awaitable[Outcome]]


class IdempotencyKey(Struct, frozen=True):
    """A client's name for one request, and what tells that request from another."""

    name: str
    fingerprint: bytes


async def run_idempotent(store: Store, key: IdempotencyKey | None, act: Act) -> Outcome:
    """Carry out `act` in one transaction, which also keeps its outcome under the key.

    So the outcome is kept exactly if the effect is, whenever the process ends. A refusal is an
    outcome, too; a fault of ours is not, and rolls back everything. Raises KeyReused, and without
    a key what `act` raises.
    """
    if key is None:
        return await store.run(act)
    taken = key

    async def act_for_key(work: UnitOfWork) -> Outcome:
        kept = await work.claim(taken.name, taken.fingerprint)
        if kept is not None:
            return read_outcome(kept)
        outcome = await _refusal_as_value(act, work)
        await work.keep(taken.name, outcome_text(outcome))
        return outcome

    return await store.run(act_for_key)


async def _refusal_as_value(act: Act, work: UnitOfWork) -> Outcome:
    """Commands check first and write then: one that refuses has written nothing."""
    try:
        return await act(work)
    except KeyReused:
        raise
    except RequestError as error:
        if error.status >= 500:
            raise
        return Refused(error.status, str(error))
