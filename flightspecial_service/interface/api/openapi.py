"""The OpenAPI 3.1 document, generated from the operations and from the types that are decoded."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from flightspecial_service.interface.api.examples import EXAMPLES
from flightspecial_service.interface.api.operations import Operation, Parameter
from flightspecial_service.interface.http.problems import Problem

_REFERENCE = "#/components/schemas/{name}"
_ALWAYS = (405, 500, 503)
_BEARER = "bearer"
_TAGS = {
    "specials": "Flights on offer",
    "flights": "Flights of a profile, and the history of their names",
    "monolith": "The monolith's own contract",
    "probes": "For load balancers and orchestrators",
}
_HEADERS = {
    200: {"ETag": "The state of what is shown"},
    201: {"ETag": "The state of the special", "Location": "The path of the new special"},
    304: {"ETag": "The state that the client has"},
    401: {"WWW-Authenticate": "The scheme, Bearer, and whether a token was sent"},
    405: {"Allow": "The methods of this path"},
    503: {"Retry-After": "Seconds until the next try makes sense"},
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document, ready to be encoded as JSON."""
    shown = [each for each in operations if not each.hidden]
    types = [*_types(shown), Problem]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in shown:
        described = _operation(operation, schema_of)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    for name, example in EXAMPLES.items():
        if name in components:
            components[name]["examples"] = [example]
    return {
        "openapi": "3.1.0",
        "servers": [{"url": "/", "description": "The service that this document comes from"}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "info": {
            "title": "FlightSpecials",
            "version": "1",
            "description": "Flights on offer. Errors are application/problem+json (RFC 9457); those of"
            " the monolith's contract have no body.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                _BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of API_TOKEN_FILE, if the service has one",
                }
            },
        },
    }


def _types(operations: Iterable[Operation]) -> list[Any]:
    types = {}
    for operation in operations:
        for kind in (*operation.responses.values(), operation.body):
            if kind is not None:
                types[repr(kind)] = kind
    return list(types.values())


def _operation(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    summary, _, rest = (operation.handler.__doc__ or "").strip().partition("\n")
    described: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": summary,
        "tags": [operation.tag],
        "security": [{_BEARER: []}] if operation.needs_token else [],
        "parameters": [_parameter(each) for each in operation.parameters],
        "responses": {
            str(status): _response(status, kind, schema_of)
            for status, kind in operation.responses.items()
        },
    }
    if rest.strip():
        described["description"] = " ".join(rest.split())
    for status in (*operation.errors, *_ALWAYS):
        described["responses"][str(status)] = (
            _response(status, None, schema_of)
            if operation.empty_errors
            else _error(status, schema_of)
        )
    if operation.body is not None:
        content = {"schema": schema_of[repr(operation.body)]}
        described["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(operation.media_types, content),
        }
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "schema": dict(parameter.schema),
        "description": parameter.description,
    }


def _response(status: int, kind: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase, **_headers(status)}
    if kind is not None:
        response["content"] = {"application/json": {"schema": schema_of[repr(kind)]}}
    return response


def _error(status: int, schema_of: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        **_headers(status),
        "content": {"application/problem+json": {"schema": schema_of[repr(Problem)]}},
    }


def _headers(status: int) -> dict[str, Any]:
    descriptions = _HEADERS.get(status, {})
    text = {"type": "string"}
    headers = {name: {"schema": text, "description": about} for name, about in descriptions.items()}
    return {"headers": headers} if headers else {}
