"""All operations of the API: path, handler, input and output.

Routes and the OpenAPI document are both generated from this list, so they always agree.
"""

from collections.abc import Mapping
from functools import wraps
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from flightspecial_service.domain import HEADER_MAX, ID_MAX
from flightspecial_service.interface.api.flights import PROFILE_MAX, FlightsApi
from flightspecial_service.interface.api.legacy import LegacyApi
from flightspecial_service.interface.api.probes import Probe, Probes
from flightspecial_service.interface.api.schemas import (
    Done,
    FlightHistory,
    HeaderChange,
    LegacySpecialOut,
    NameChange,
    OfferIn,
    OfferPatch,
    SpecialOut,
)
from flightspecial_service.interface.api.special_commands import PATCH_TYPES, SpecialCommandsApi
from flightspecial_service.interface.api.specials import SpecialsApi
from flightspecial_service.interface.http.access import Access, BearerToken
from flightspecial_service.interface.http.messages import JSON_TYPES, Handler, Request, Response
from flightspecial_service.interface.http.parameters import KEY_PATTERN, LIMIT_MAX

Schema = Mapping[str, Any]


class Parameter(Struct, frozen=True):
    """One parameter of a request: `place` is path, query or header."""

    name: str
    place: str
    schema: Schema
    description: str


class Operation(Struct, frozen=True):
    """One method of one path. Its summary in OpenAPI is the first line of the handler's docstring."""

    method: str
    path: str
    handler: Handler
    responses: Mapping[int, Any]
    errors: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: type | None = None
    media_types: tuple[str, ...] = JSON_TYPES
    hidden: bool = False
    """An alias of a path, which is not described."""
    empty_errors: bool = False
    """Errors have no body."""
    needs_token: bool = False

    @property
    def tag(self) -> str:
        """The group of the operation in the OpenAPI document."""
        if self.path.startswith("/travelbuddy/"):
            return "monolith"
        if not self.path.startswith("/flightspecials"):
            return "probes"
        return "flights" if "{profile_id}" in self.path else "specials"


class Apis(Struct, frozen=True):
    """All handlers."""

    specials: SpecialsApi
    special_commands: SpecialCommandsApi
    flights: FlightsApi
    legacy: LegacyApi
    probes: Probes
    special_writes: Access
    """Who may create, change and delete specials."""


_ID_SCHEMA = {"type": "integer", "minimum": 1, "maximum": ID_MAX}
_TAGS = {"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*")$'}
_PLACE = {"type": "string", "minLength": 1, "maxLength": HEADER_MAX, "pattern": r"^[^\x00]+$"}

_ID = Parameter("id", "path", _ID_SCHEMA, "The special")
_PROFILE = Parameter(
    "profile_id",
    "path",
    {"type": "string", "minLength": 1, "maxLength": PROFILE_MAX, "pattern": r"^[^\x00/]+$"},
    "The profile that owns the flight",
)
_FLIGHT_NO = Parameter("flight_no", "path", _ID_SCHEMA, "The flight")
_IF_MATCH = Parameter("If-Match", "header", _TAGS, "Only if the special is in this state")
_IF_NONE_MATCH = Parameter("If-None-Match", "header", _TAGS, "Only if it is in another state")
_KEY = Parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "pattern": KEY_PATTERN},
    "A name for this request: its repetition gives the first answer and has no second effect",
)
_QUERY = (
    Parameter(
        "limit",
        "query",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX},
        "Specials on a page; the Link header leads to the next one. Without it: all",
    ),
    Parameter("cursor", "query", {"type": "string"}, "From a Link header, together with limit"),
    Parameter("origin", "query", _PLACE, "Only from here: a name or a code"),
    Parameter("destination", "query", _PLACE, "Only to there: a name or a code"),
    Parameter("unexpired", "query", {"type": "boolean"}, "Only what has not expired"),
)
_NAME_PAGE = (
    Parameter(
        "limit",
        "query",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_MAX},
        "Names on a page; the Link header leads to the next one",
    ),
    Parameter(
        "after",
        "query",
        {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": 0},
        "Only names after the one with this number",
    ),
)
_WRITE_ERRORS = (400, 404, 408, 412, 413, 415, 422)


def operations(apis: Apis) -> list[Operation]:
    """All operations. Lists have an alias with a slash at the end."""
    return [*_reads(apis), *_writes(apis), *_probes(apis.probes)]


def _reads(apis: Apis) -> list[Operation]:
    every, on_sale = list[SpecialOut], list[LegacySpecialOut]
    specials = apis.specials.list_all
    parameters = (*_QUERY, _IF_NONE_MATCH)
    own, old = "/flightspecials", "/travelbuddy/flightspecials"
    return [
        Operation("GET", own, specials, {200: every, 304: None}, (400, 422), parameters),
        Operation("GET", f"{own}/", specials, {200: every}, hidden=True),
        Operation(
            *("GET", f"{own}/{{id}}", apis.specials.show, {200: SpecialOut, 304: None}),
            errors=(400, 404),
            parameters=(_ID, _IF_NONE_MATCH),
        ),
        Operation(
            *("GET", old, apis.legacy.list_on_sale, {200: on_sale, 304: None}, (400, 406)),
            parameters=(_IF_NONE_MATCH,),
            empty_errors=True,
        ),
        Operation(
            *("OPTIONS", old, apis.legacy.options, {200: None, 403: None}), empty_errors=True
        ),
        Operation("GET", f"{old}/", apis.legacy.list_on_sale, {200: on_sale}, hidden=True),
        Operation("OPTIONS", f"{old}/", apis.legacy.options, {200: None}, hidden=True),
        Operation(
            "GET",
            f"{own}/{{profile_id}}/flights/{{flight_no}}/history",
            apis.flights.history,
            {200: FlightHistory},
            (400, 404, 422),
            (_PROFILE, _FLIGHT_NO, *_NAME_PAGE),
        ),
    ]


def _writes(apis: Apis) -> list[Operation]:
    own, conditions = "/flightspecials", (_IF_MATCH, _IF_NONE_MATCH, _KEY)
    return [
        *(_with_access(each, apis.special_writes) for each in _special_writes(apis)),
        Operation(
            *("POST", f"{own}/{{id}}/header", apis.special_commands.update_header, {200: Done}),
            *((*_WRITE_ERRORS, 501), (_ID, *conditions), HeaderChange),
        ),
        Operation(
            *("POST", f"{own}/{{profile_id}}/name", apis.flights.rename, {200: Done}),
            *(_WRITE_ERRORS, (_PROFILE, _KEY), NameChange),
        ),
    ]


def _special_writes(apis: Apis) -> list[Operation]:
    """The writes that the original does not have."""
    special_commands, own = apis.special_commands, "/flightspecials"
    conditions = (_IF_MATCH, _IF_NONE_MATCH, _KEY)
    create = Operation(
        "POST", own, special_commands.create, {201: SpecialOut}, _WRITE_ERRORS, (_KEY,), OfferIn
    )
    return [
        create,
        Operation("POST", f"{own}/", special_commands.create, {201: SpecialOut}, hidden=True),
        Operation(
            *("PATCH", f"{own}/{{id}}", special_commands.revise, {200: SpecialOut}),
            *(_WRITE_ERRORS, (_ID, *conditions), OfferPatch, PATCH_TYPES),
        ),
        Operation(
            *("DELETE", f"{own}/{{id}}", special_commands.retire, {204: None}),
            *((400, 404, 412, 422), (_ID, *conditions)),
        ),
    ]


def _with_access(operation: Operation, access: Access) -> Operation:
    """The operation for those who have access only."""
    handler = operation.handler

    @wraps(handler)
    async def checked(request: Request) -> Response:
        access(request)
        return await handler(request)

    needs_token = isinstance(access, BearerToken)
    errors = (*operation.errors, *((401,) if needs_token else ()), 501)
    return replace(operation, handler=checked, errors=errors, needs_token=needs_token)


def _probes(probes: Probes) -> list[Operation]:
    return [
        Operation("GET", "/healthz", probes.live, {200: Probe}),
        Operation("GET", "/readyz", probes.ready, {200: Probe}),
    ]
