"""The API of flights and the history of their names."""

import re

from flightspecial_service.application.commands import rename_flight
from flightspecial_service.application.queries import one_flight
from flightspecial_service.domain import Flights, Store
from flightspecial_service.errors import NotFound
from flightspecial_service.interface.api.bodies import read_body
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.schemas import (
    NameChange,
    flight_history,
    json_response,
)
from flightspecial_service.interface.api.special_commands import to_response
from flightspecial_service.interface.http.messages import Request, Response
from flightspecial_service.interface.http.parameters import read_key

PROFILE_MAX = 255
# No slash, which ends a segment of a path, and no control characters.
PROFILE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f/]+$"
_PROFILE = re.compile(PROFILE_PATTERN)


class FlightsApi:
    """The handlers for flights."""

    def __init__(self, flights: Flights, store: Store) -> None:
        self._flights = flights
        self._store = store

    async def rename(self, request: Request) -> Response:
        """Give the flight in the body another name, if it is of the profile in the path."""
        profile = _profile(request)
        body = await request.json_body()
        change = read_body(body, NameChange)
        outcome = await rename_flight(
            self._store, profile, change.flight_no, change.flight_name, read_key(request, body)
        )
        return to_response(outcome, BuildLabel())

    async def history(self, request: Request) -> Response:
        """A flight's name, and those it had."""
        flight = await one_flight(self._flights, _profile(request), request.number("flight_no"))
        return json_response(flight_history(flight))


def _profile(request: Request) -> str:
    """The profile in the path. Raises NotFound if it is no valid profile: it has no flights."""
    text: str = request.scope["path_params"]["profile_id"]
    if len(text) > PROFILE_MAX or _PROFILE.fullmatch(text) is None:
        raise NotFound(
            f"a profile in a path has 1 to {PROFILE_MAX} characters, no control characters among them"
        )
    return text
