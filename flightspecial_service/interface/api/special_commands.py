"""The API that changes specials."""

from typing import Any

from flightspecial_service.application import commands
from flightspecial_service.application.outcomes import (
    Changed,
    Created,
    FlightRenamed,
    HeaderChanged,
    Outcome,
    Refused,
)
from flightspecial_service.domain import FlightSpecial, FlightSpecials, Header, Offer, Store
from flightspecial_service.domain.specials import check_fields
from flightspecial_service.errors import BodyError, Invalid, NotReleased
from flightspecial_service.interface.api.bodies import read_body
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.schemas import (
    Done,
    HeaderChange,
    OfferIn,
    OfferPatch,
    json_response,
    named_fields,
    special_response,
)
from flightspecial_service.interface.http.etags import condition_of, no_condition, special_tag
from flightspecial_service.interface.http.messages import HeaderPair, Request, Response
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
        change = read_body(body, HeaderChange, self._check)
        if change.id != number:
            sentence = f"the body's id must be the one in the path, {number}"
            raise Invalid(sentence, (BodyError("#/id", sentence),))
        text = self._build_label.removed_from(change.flight_special_header)
        key, condition = read_key(request, body), condition_of(request)
        if key is None and condition is None:
            return self._to_response(await commands.set_header(self._specials, number, text))
        return self._to_response(
            await commands.change_header(self._store, number, text, condition or no_condition, key)
        )

    async def revise(self, request: Request) -> Response:
        """Change what a merge patch names."""
        number = request.number("id")
        body = await request.json_body(types=PATCH_TYPES)
        changes = self._fields(read_body(body, OfferPatch, self._check))
        if "header" in changes:
            self._check_released()
        condition, key = condition_of(request) or no_condition, read_key(request, body)
        return self._to_response(
            await commands.revise(self._store, number, changes, condition, key)
        )

    async def create(self, request: Request) -> Response:
        """Offer a new special."""
        body = await request.json_body()
        offer = Offer(**self._fields(read_body(body, OfferIn, self._check)))
        return self._to_response(await commands.create(self._store, offer, read_key(request, body)))

    async def retire(self, request: Request) -> Response:
        """Take a special out of the list."""
        number, key = request.number("id"), read_key(request, b"")
        condition = condition_of(request) or no_condition
        return self._to_response(await commands.retire(self._store, number, condition, key))

    def _check_released(self) -> None:
        if not self._header_update:
            raise NotReleased("header updates are deployed, but not released")

    def _check(self, field: str, value: Any) -> None:
        """Raise BadHeader or BadOffer if this field of a body violates a rule of the domain."""
        if field in ("header", "flight_special_header"):
            Header(self._build_label.removed_from(value))
        elif field in Offer.__struct_fields__:
            check_fields({field: value})

    def _fields(self, body: OfferIn | OfferPatch) -> dict[str, Any]:
        """The fields that the body names, without a build label. Their rules are checked after this."""
        fields = named_fields(body)
        if "header" in fields:
            fields["header"] = self._build_label.removed_from(fields["header"])
        return fields

    def _to_response(self, outcome: Outcome) -> Response:
        return to_response(outcome, self._build_label)


def to_response(outcome: Outcome, build_label: BuildLabel) -> Response:
    """The response for an outcome, which is the same for the first request and for a repeated one."""
    match outcome:
        case Created(special):
            location = (b"location", b"/flightspecials/%d" % special.id)
            return special_response(special, build_label, 201, (_etag(special), location))
        case Changed(special):
            return special_response(special, build_label, 200, (_etag(special),))
        case HeaderChanged():
            return json_response(Done("Y", "The flight special header successfully updated"))
        case FlightRenamed():
            return json_response(Done("Y", "The flight name successfully updated"))
        case Refused(status, detail):
            return problem_response(status, detail)
        case _:
            return Response(204, b"")


def _etag(special: FlightSpecial) -> HeaderPair:
    return (b"etag", special_tag(special).encode("ascii"))
