"""The monolith's own contract, so that a browser sees no difference when traffic shifts."""

from collections.abc import Callable
from datetime import datetime

from flightspecial_service.application.queries import specials_on_sale
from flightspecial_service.domain import FlightSpecials
from flightspecial_service.interface.exchange import Answer, Call
from flightspecial_service.interface.wire import json_answer, legacy_special_out

ANY_ORIGIN = ((b"access-control-allow-origin", b"*"),)


class LegacyApi:
    """The handler of `/travelbuddy/flightspecials`; `now` gives the time, with a zone."""

    def __init__(self, specials: FlightSpecials, now: Callable[[], datetime]) -> None:
        self._specials = specials
        self._now = now

    async def list_on_sale(self, call: Call) -> Answer:
        """What can still be bought, in order of expiry."""
        found = await specials_on_sale(self._specials, self._now())
        return json_answer([legacy_special_out(special) for special in found])
