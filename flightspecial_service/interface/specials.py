"""The service's own contract: `/flightspecials`."""

from flightspecial_service.application.commands import change_header
from flightspecial_service.application.queries import every_special, one_special
from flightspecial_service.domain import FlightSpecials
from flightspecial_service.errors import Invalid
from flightspecial_service.interface.exchange import Answer, Call
from flightspecial_service.interface.wire import Done, json_answer, read_header_change, special_out


class SpecialsApi:
    """The handlers, over one store of flight specials."""

    def __init__(self, specials: FlightSpecials) -> None:
        self._specials = specials

    async def list_all(self, call: Call) -> Answer:
        """All specials as a bare array, in order of expiry."""
        return json_answer(
            [special_out(special) for special in await every_special(self._specials)]
        )

    async def show(self, call: Call) -> Answer:
        """One special."""
        return json_answer(special_out(await one_special(self._specials, call.number("id"))))

    async def update_header(self, call: Call) -> Answer:
        """Change a special's header. The body repeats the path's id, and must agree with it."""
        number = call.number("id")
        change = read_header_change(await call.json_body())
        if change.id != number:
            raise Invalid(f"the body's id must be the one in the path, {number}")
        await change_header(self._specials, number, change.flight_special_header)
        return json_answer(Done("Y", "The flight special header successfully updated"))
