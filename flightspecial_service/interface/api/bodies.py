"""Reads JSON bodies. A body that does not fit is refused with all its mistakes."""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import FieldInfo, fields

from flightspecial_service.errors import BodyError, Invalid, Malformed

T = TypeVar("T", bound=Struct)


Check: TypeAlias = Callable[[str, Any], None]
"""Raises Invalid if the value of this field violates a rule that the schema does not express."""


def no_rules(_field: str, _value: Any) -> None:
    """The schema expresses all rules."""


def read_body(body: bytes, kind: type[T], check: Check = no_rules) -> T:
    """Decode the body as a `kind`.

    Raises Malformed if it is not JSON, Invalid with every mistake if it does not fit.
    """
    try:
        content = msgspec.json.decode(body, type=kind)
        for name in content.__struct_fields__:
            _check_value(check, name, getattr(content, name))
        return content
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Invalid):
        pass  # the first mistake; msgspec stops there even before it knows whether the rest is JSON
    raise _invalid(_parsed(body), kind, check)


def _parsed(body: bytes) -> object:
    """The body as Python's own parser reads it. Raises Malformed."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is not JSON") from error


def _invalid(content: object, kind: type[Struct], check: Check) -> Invalid:
    errors = tuple(_mistakes(content, kind, check)) or (
        # Not in a field that is read, but msgspec refuses it anywhere.
        BodyError("#", "Text has half of a surrogate pair"),
    )
    return Invalid("the body does not fit; errors has every mistake", errors)


def _mistakes(content: object, kind: type[Struct], check: Check) -> Iterator[BodyError]:
    if not isinstance(content, dict):
        yield BodyError("#", "Expected `object`")
        return
    known = {field.encode_name: field for field in fields(kind)}
    for name, field in known.items():
        mistake = _mistake(content, field, check)
        if mistake:
            yield BodyError(_pointer(name), mistake)
    if kind.__struct_config__.forbid_unknown_fields:
        for name in (name for name in content if name not in known):
            yield BodyError(_pointer(name), "Object contains unknown field")


def _mistake(content: dict[str, Any], field: FieldInfo, check: Check) -> str:
    """What is wrong with one field; empty if nothing is."""
    if field.encode_name not in content:
        return "Object is missing this field" if field.required else ""
    value = content[field.encode_name]
    if isinstance(value, str) and _has_surrogate(value):
        return "Text has half of a surrogate pair"
    try:
        _check_value(check, field.name, msgspec.convert(value, field.type))
    except (msgspec.ValidationError, Invalid) as error:
        return str(error)
    return ""


def _check_value(check: Check, field: str, value: object) -> None:
    if value is not None and value is not UNSET:
        check(field, value)


def _pointer(name: str) -> str:
    """The JSON Pointer to a member, as the fragment of a URI (RFC 6901 6)."""
    return "#/" + quote(
        name.replace("~", "~0").replace("/", "~1"), errors="replace", safe="~!$&'()*+,;=:@/?"
    )


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python accepts but RFC 8259 does not allow."""
    raise ValueError(name)
