"""What a worker hands to the maker of copies: a request, and the response that its client got. Pure."""

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from proxy.comparison.observation import Observation
from proxy.model import Decision, Facts, FieldName, HeaderPairs
from proxy.model.headers import field_name
from proxy.routing.transforms.trace_context import Identity


class CopiedRequest(Struct, frozen=True):
    """The request as it was decided."""

    facts: Facts
    decision: Decision
    identity: Identity


class Served(Struct, frozen=True, array_like=True):
    """A request that ended, and is copied. It refers to the table by names: the other process has its own objects."""

    version: str
    """Of the table that decided."""
    route: str
    match: int
    """The place of the match among those of the route."""
    backend: str
    """Where the request was served."""
    copied_to: str
    facts: Facts
    identity: Identity
    body: bytes
    """Of the request."""
    response: Observation
    ended: float
    """When the client had it: `time.monotonic()`, which is the same in all processes of a machine."""


def served_request(
    version: str, request: CopiedRequest, body: bytes, response: Observation, ended: float
) -> Served:
    """The request with its response, as a value of its own."""
    decision = request.decision
    return Served(
        version,
        decision.route.name,
        decision.route.matches.index(decision.match),
        decision.backend or "",
        decision.mirrored_to[0],
        request.facts,
        request.identity,
        body,
        response,
        ended,
    )


class Batch(Struct, frozen=True, array_like=True):
    """What a worker hands over at the end of a tick."""

    requests: list[Served]
    drops: dict[str, dict[str, int]] = {}
    """Requests that were not handed over since the last batch: their numbers by route and reason."""


def encoded(batch: Batch) -> bytes:
    """A text for another process."""
    return msgspec.msgpack.encode(batch, enc_hook=_spelling)


def decoded(text: bytes) -> Batch:
    """The batch in a text. Raises DecodeError for another text."""
    batch = msgspec.msgpack.decode(text, type=Batch)
    return Batch([_with_names(each) for each in batch.requests], batch.drops)


def _with_names(served: Served) -> Served:
    facts, response = served.facts, served.response
    return replace(
        served,
        facts=replace(facts, headers=_named(facts.headers)),
        response=replace(response, headers=_named(response.headers)),
    )


def _named(headers: HeaderPairs) -> HeaderPairs:
    return [(field_name(name), value) for name, value in headers]


def _spelling(name: object) -> bytes:
    if isinstance(name, FieldName):
        return name.written
    raise TypeError(f"{type(name).__name__} is no part of a request")
