"""The API that changes specials."""

from flightspecial_service.application import commands
from flightspecial_service.application.outcomes import (
    Changed,
    Created,
    FlightRenamed,
    HeaderChanged,
    Outcome,
    Refused,
)
from flightspecial_service.domain import FlightSpecial, FlightSpecials, Offer, Store
from flightspecial_service.errors import BodyError, Invalid, NotReleased
from flightspecial_service.interface.api.bodies import read_body
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.schemas import (
    Done,
    HeaderChange,
    OfferIn,
    OfferPatch,
    json_response,
    new_offer,
    patched,
    special_out,
)
from flightspecial_service.interface.http.etags import condition_of, no_condition, special_tag
from flightspecial_service.interface.http.messages import Request, Response
from flightspecial_service.interface.http.parameters import read_key
from flightspecial_service.interface.http.problems import problem_response

PATCH_TYPES = ("application/merge-patch+json", "application/json")


class SpecialCommandsApi:
    """The handlers that change specials. `header_update` is the feature flag for header updates.

    The docstrings of the handlers are summaries in the OpenAPI document.
    """

    def __init__(
        self,
        specials: FlightSpecials,
        store: Store,
        build_label: BuildLabel,
        header_update: bool = True,
    ) -> None:
        self._specials = specials
        self._store = store
        self._build_label = build_label
        self._header_update = header_update

    async def update_header(self, request: Request) -> Response:
        """Change a special's header. The body repeats the path's id, and must agree with it."""
        self._check_released()
        number = request.number("id")
        body = await request.json_body()
        change = read_body(body, HeaderChange)
        if change.id != number:
            sentence = f"the body's id must be the one in the path, {number}"
            raise Invalid(sentence, (BodyError("#/id", sentence),))
        text = self._build_label.removed_from(change.flight_special_header)
        key, condition = read_key(request, body), condition_of(request, self._build_label.tag)
        if key is None and condition is None:
            return self._to_response(await commands.set_header(self._specials, number, text))
        return self._to_response(
            await commands.change_header(self._store, number, text, condition or no_condition, key)
        )

    async def revise(self, request: Request) -> Response:
        """Change what a merge patch names."""
        number = request.number("id")
        body = await request.json_body(types=PATCH_TYPES)
        patch = read_body(body, OfferPatch)
        if isinstance(patch.header, str):
            self._check_released()

        def revision(special: FlightSpecial) -> Offer:
            offer = patched(special, patch)
            return self._without_build_label(offer) if isinstance(patch.header, str) else offer

        condition = condition_of(request, self._build_label.tag) or no_condition
        key = read_key(request, body)
        return self._to_response(
            await commands.revise(self._store, number, revision, condition, key)
        )

    async def create(self, request: Request) -> Response:
        """Offer a new special."""
        body = await request.json_body()
        offer = self._without_build_label(new_offer(read_body(body, OfferIn)))
        return self._to_response(await commands.create(self._store, offer, read_key(request, body)))

    async def retire(self, request: Request) -> Response:
        """Take a special out of the list."""
        number, key = request.number("id"), read_key(request, b"")
        condition = condition_of(request, self._build_label.tag) or no_condition
        return self._to_response(await commands.retire(self._store, number, condition, key))

    def _check_released(self) -> None:
        if not self._header_update:
            raise NotReleased("header updates are deployed, but not released")

    def _without_build_label(self, offer: Offer) -> Offer:
        text = self._build_label.removed_from(offer.header)
        if text == offer.header:
            return offer
        fields = {name: getattr(offer, name) for name in Offer.__struct_fields__}
        return Offer(**fields | {"header": text})

    def _to_response(self, outcome: Outcome) -> Response:
        return to_response(outcome, self._build_label)


def to_response(outcome: Outcome, build_label: BuildLabel) -> Response:
    """The response for an outcome, which is the same for the first request and for a repeated one."""
    match outcome:
        case Created(special):
            location = (b"location", b"/flightspecials/%d" % special.id)
            response = _special_response(special, build_label, 201)
            return Response(response.status, response.body, (*response.headers, location))
        case Changed(special):
            return _special_response(special, build_label, 200)
        case HeaderChanged():
            return json_response(Done("Y", "The flight special header successfully updated"))
        case FlightRenamed():
            return json_response(Done("Y", "The flight name successfully updated"))
        case Refused(status, detail):
            return problem_response(status, detail)
        case _:
            return Response(204, b"")


def _special_response(special: FlightSpecial, build_label: BuildLabel, status: int) -> Response:
    response = json_response(special_out(special, build_label.prefix), status)
    tag = (b"etag", special_tag(special, build_label.tag).encode("ascii"))
    return Response(response.status, response.body, (*response.headers, tag))
