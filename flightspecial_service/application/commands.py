"""Commands. Each is atomic: it checks first and writes afterwards, in one transaction."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from flightspecial_service.application.idempotency import IdempotencyKey, run_idempotent
from flightspecial_service.application.outcomes import (
    Changed,
    Created,
    FlightRenamed,
    HeaderChanged,
    Outcome,
    Retired,
)
from flightspecial_service.domain import (
    FlightSpecial,
    FlightSpecials,
    Header,
    Offer,
    Store,
    UnitOfWork,
)
from flightspecial_service.errors import NoSuchFlight, NoSuchSpecial

Condition: TypeAlias = Callable[[FlightSpecial], None]
"""A precondition of the client; raises ConditionFailed."""


async def set_header(specials: FlightSpecials, number: int, text: str) -> Outcome:
    """Change a header unconditionally, in one statement.

    Raises BadHeader, NoSuchSpecial.
    """
    if not await specials.set_header(number, Header(text)):
        raise NoSuchSpecial(number)
    return HeaderChanged()


async def change_header(
    store: Store, number: int, text: str, condition: Condition, key: IdempotencyKey | None
) -> Outcome:
    """Change a header. Raises BadHeader, NoSuchSpecial, ConditionFailed."""
    header = Header(text)

    async def act(work: UnitOfWork) -> Outcome:
        special = await _special(work, number)
        condition(special)
        await work.save_special(special.with_header(header))
        return HeaderChanged()

    return await run_idempotent(store, key, act)


async def revise(
    store: Store,
    number: int,
    changes: Mapping[str, Any],
    condition: Condition,
    key: IdempotencyKey | None,
) -> Outcome:
    """Change these fields of a special.

    Raises NoSuchSpecial, ConditionFailed, BadHeader, BadOffer.
    """

    async def act(work: UnitOfWork) -> Outcome:
        special = await _special(work, number)
        condition(special)
        revised = special.with_changes(changes)
        return Changed(special if revised is special else await work.save_special(revised))

    return await run_idempotent(store, key, act)


async def create(store: Store, offer: Offer, key: IdempotencyKey | None) -> Outcome:
    """Create a special."""

    async def act(work: UnitOfWork) -> Outcome:
        return Created(await work.add_special(offer))

    return await run_idempotent(store, key, act)


async def retire(
    store: Store, number: int, condition: Condition, key: IdempotencyKey | None
) -> Outcome:
    """Delete a special. Raises NoSuchSpecial, ConditionFailed."""

    async def act(work: UnitOfWork) -> Outcome:
        condition(await _special(work, number))
        await work.remove_special(number)
        return Retired()

    return await run_idempotent(store, key, act)


async def rename_flight(
    store: Store, profile_id: str, number: int, name: str, key: IdempotencyKey | None
) -> Outcome:
    """Rename a flight of a profile; its old name goes to its history.

    Raises BadFlightName, NoSuchFlight.
    """

    async def act(work: UnitOfWork) -> Outcome:
        flight = await work.flight(number)
        if flight is None or flight.profile_id != profile_id:
            raise NoSuchFlight(profile_id, number)
        await work.save_renamed(flight.renamed(name), flight.name)
        return FlightRenamed()

    return await run_idempotent(store, key, act)


async def _special(work: UnitOfWork, number: int) -> FlightSpecial:
    special = await work.special(number)
    if special is None:
        raise NoSuchSpecial(number)
    return special
