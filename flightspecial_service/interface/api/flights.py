"""The API of flights and the history of their names."""

from flightspecial_service.application.commands import rename_flight
from flightspecial_service.application.queries import one_flight
from flightspecial_service.domain import Flights, Store
from flightspecial_service.errors import NotFound
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.schemas import (
    NameChange,
    flight_history,
    json_response,
    read_body,
)
from flightspecial_service.interface.api.special_commands import to_response
from flightspecial_service.interface.http.messages import Request, Response
from flightspecial_service.interface.http.parameters import read_key

PROFILE_MAX = 255


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
    storable = "\0" not in text and text.isprintable()
    if not (storable and 1 <= len(text) <= PROFILE_MAX):
        raise NotFound(f"a profile in a path has 1 to {PROFILE_MAX} characters")
    return text
