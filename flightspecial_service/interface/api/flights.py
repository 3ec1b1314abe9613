"""The API of flights and the history of their names."""

from flightspecial_service.application.commands import rename_flight
from flightspecial_service.application.queries import flight_history
from flightspecial_service.domain import Flights, Store
from flightspecial_service.domain.flights import check_flight_name
from flightspecial_service.errors import NotFound
from flightspecial_service.interface.api.bodies import read_body
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.schemas import (
    NameChange,
    history_out,
    json_response,
)
from flightspecial_service.interface.api.special_commands import to_response
from flightspecial_service.interface.http.messages import Request, Response
from flightspecial_service.interface.http.parameters import (
    next_names_link,
    read_key,
    read_name_page,
)

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
        change = read_body(body, NameChange, _check_name)
        outcome = await rename_flight(
            self._store, profile, change.flight_no, change.flight_name, read_key(request, body)
        )
        return to_response(outcome, BuildLabel())

    async def history(self, request: Request) -> Response:
        """A flight's name, and a page of those it had, oldest first."""
        profile, number = _profile(request), request.number("flight_no")
        after, limit = read_name_page(request)
        flight, names, more = await flight_history(self._flights, profile, number, after, limit)
        link = (next_names_link(request, after + limit, limit),) if more else ()
        return json_response(history_out(flight, after, names), headers=link)


def _check_name(field: str, value: object) -> None:
    """Raise BadFlightName if it is a name that violates its rule."""
    if field == "flight_name" and isinstance(value, str):
        check_flight_name(value)


def _profile(request: Request) -> str:
    """The profile in the path. Raises NotFound if it is no valid profile: it has no flights."""
    text: str = request.scope["path_params"]["profile_id"]
    # PostgreSQL stores no U+0000.
    if "\0" in text or not 1 <= len(text) <= PROFILE_MAX:
        raise NotFound(
            f"a profile in a path has 1 to {PROFILE_MAX} characters, none of them U+0000"
        )
    return text
