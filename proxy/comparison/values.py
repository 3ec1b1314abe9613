"""Two values of JSON that are no containers: whether they are the same, and if not, how they differ."""

from collections.abc import Hashable
from decimal import Decimal

from proxy.comparison.instants import epoch_ms
from proxy.comparison.json_reader import Json
from proxy.comparison.outcome import Kind
from proxy.model import Equivalence

_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    Decimal: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def json_type(value: Json) -> str:
    return _TYPES[type(value)]


def kind_of_values(left: Json, right: Json, equal: Equivalence | None) -> Kind | None:
    """How two values differ that are not both objects nor both arrays. None: they are the same."""
    has_same_type = json_type(left) == json_type(right)
    if (has_same_type and left == right) or (equal and _are_equivalent(left, right, equal)):
        return None
    if equal is not None and equal.kind == "instant" and equal.left != equal.right:
        # The two formats may have different types, so the type is wrong if the format is.
        return "type" if epoch_ms(right, equal.right, equal.zone) is None else "value"
    if not has_same_type:
        return "type"
    is_cut = type(left) is str and right and left.startswith(right)
    return "length" if is_cut else "value"


def _are_equivalent(left: Json, right: Json, equal: Equivalence) -> bool:
    if equal.kind == "case_insensitive":
        return type(left) is type(right) is str and left.casefold() == right.casefold()
    if equal.kind == "number":
        if json_type(left) != "number" or json_type(right) != "number":
            return False
        return _are_close(left, right, equal.tolerance)
    if equal.kind != "instant":
        return False
    one = epoch_ms(left, equal.left, equal.zone)
    other = epoch_ms(right, equal.right, equal.zone)
    return one is not None and other is not None and abs(one - other) <= equal.tolerance * 1000


def _are_close(left: Json, right: Json, tolerance: float) -> bool:
    difference = abs(Decimal(left) - Decimal(right))
    # A tolerance of 0.01 covers 19.99 and 20.00, although their difference as binary numbers is a little more.
    return difference <= Decimal(tolerance) * (1 + Decimal(2) ** -40)


def identity(value: Json, equal: Equivalence | None, side: int) -> Hashable:
    """A value by which members of two arrays are recognised; None for one that identifies nothing.

    `side` is 0 for the incumbent and 1 for the newcomer.
    """
    if value is None or type(value) in (list, dict):
        return None
    if type(value) is bool:
        return ("boolean", value)
    if equal is None:
        return value  # type: ignore[no-any-return] # a text or a number
    if equal.kind == "case_insensitive" and type(value) is str:
        return value.casefold()
    if equal.kind == "instant":
        return epoch_ms(value, equal.right if side else equal.left, equal.zone)
    return value  # type: ignore[no-any-return]
