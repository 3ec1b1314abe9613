"""Durations, sizes and percentages: numbers with units (rule 11)."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from proxy.config.faults import misplaced, not_text, quoted, value_fault
from proxy.config.scalars import AmbiguousScalar
from proxy.config.stage_rules import format_share

_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(B|KB|MB|GB|KiB|MiB|GiB)")
_ALL_BP = 10_000
_BARE = re.compile(r"-?[0-9][0-9_.]*")


class _Measure(ABC):
    """A number with a unit, between two bounds in the notation of the file."""

    shown: Callable[[Any], str]
    pattern: str
    examples: tuple[str, ...]

    @abstractmethod
    def read(self, value: Any) -> Any:
        """The value in its base unit. Raises a `value_fault`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(self.shown)
        return core_schema.no_info_plain_validator_function(self.read, serialization=written)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.pattern}$", "examples": list(self.examples)}


class Duration(_Measure):
    """A duration; its value is seconds."""

    def __init__(self, low: str, high: str) -> None:
        self._low, self._high = low, high
        self._bounds = _milliseconds(low), _milliseconds(high)
        self.shown = format_duration
        self.pattern, self.examples = _DURATION.pattern, ("250ms", "5s", "1m")

    def read(self, value: Any) -> float:
        milliseconds = _milliseconds(value)
        if not self._bounds[0] <= milliseconds <= self._bounds[1]:
            raise value_fault(
                f"{quoted(value)} is out of range", f"write {self._low} to {self._high}"
            )
        return milliseconds / 1000


class Size(_Measure):
    """A size; its value is bytes. `usual` is the unit in the hint for a number without one."""

    def __init__(self, low: str, high: str, usual: str = "KiB") -> None:
        self._low, self._high, self._usual = low, high, usual
        self._bounds = _count(low), _count(high)
        self.shown = format_size
        self.pattern, self.examples = _SIZE.pattern, ("512B", "32KiB", "1MiB")

    def read(self, value: Any) -> int:
        count = _count(value, self._usual)
        if not self._bounds[0] <= count <= self._bounds[1]:
            raise value_fault(
                f"{quoted(value)} is out of range", f"write {self._low} to {self._high}"
            )
        return count


def _milliseconds(value: Any) -> int:
    measure = _measure(value, _DURATION, "duration", "s", "250ms, 5s, 1m, 24h or 30d")
    exact = Decimal(measure[1]) * _MS[measure[2]]
    if exact != exact.to_integral_value():
        raise value_fault(
            f"{quoted(value)} is finer than a millisecond", "write whole milliseconds"
        )
    return int(exact)


def format_duration(seconds: float) -> str:
    """The shortest notation of a duration."""
    milliseconds = round(seconds * 1000)
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if milliseconds % _MS[unit] == 0)
    return f"{milliseconds // _MS[unit]}{unit}" if milliseconds else "0s"


def _count(value: Any, usual: str = "KiB") -> int:
    measure = _measure(value, _SIZE, "size", usual, "512B, 32KiB or 1MiB")
    exact = Decimal(measure[1]) * _BYTES[measure[2]]
    if exact != exact.to_integral_value():
        raise value_fault(f"{quoted(value)} is no whole number of bytes", "write whole bytes")
    return int(exact)


def format_size(count: int) -> str:
    """The shortest notation of a size."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if count % _BYTES[unit] == 0)
    return f"{count // _BYTES[unit]}{unit}" if count else "0B"


def _measure(
    value: Any, pattern: re.Pattern[str], what: str, unit: str, examples: str
) -> re.Match[str]:
    if type(value) in (int, Decimal) or (
        type(value) in (AmbiguousScalar, str) and _BARE.fullmatch(str(value))
    ):
        hint = f"write {value}{unit}" if not str(value).startswith("-") else f"write {examples}"
        raise value_fault(f"{quoted(value)} is a {what} without a unit", hint)
    if type(value) is not str:
        raise value_fault(not_text(value)[0], f"write a {what}: {examples}")
    measure = pattern.fullmatch(value)
    if measure is None:
        raise value_fault(f"{quoted(value)} is no {what}", f"write {examples}")
    return measure


def share(high: int, decimals: int, what: str) -> Callable[[Any], int]:
    """A validator for numbers from 0 to `high`. The value is a whole number of the last decimal: 0.25 with 2 is 25."""
    scale = 10**decimals

    def read(value: Any) -> int:
        if type(value) not in (int, Decimal):
            raise value_fault(
                f"{misplaced(value)} where {what} is meant", f"write a number, 0 to {high}"
            )
        if not 0 <= value <= high:
            raise value_fault(
                f"{quoted(value)} is no {what.split(' ', 1)[1]}", f"write 0 to {high}"
            )
        exact = Decimal(value) * scale
        if exact != exact.to_integral_value():
            text = f"{quoted(value)} has more than {decimals} decimals"
            raise value_fault(text, f"write {Decimal(value):.{decimals}f}")
        return int(exact)

    return read


Percent = Annotated[
    int,
    BeforeValidator(share(100, 2, "a percentage")),
    PlainSerializer(format_share),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
"""Hundredths of a per cent."""


def _read_bucket(value: Any) -> int:
    bucket = share(100, 2, "a bucket")(value)
    if bucket == _ALL_BP:
        raise value_fault(f"{quoted(value)} is no bucket", "write 0 to 99.99")
    return bucket


Bucket = Annotated[
    int,
    BeforeValidator(_read_bucket),
    PlainSerializer(format_share),
    WithJsonSchema({"type": "number", "minimum": 0, "exclusiveMaximum": 100}),
]
"""Hundredths, below 10,000."""

Rate = Annotated[
    int,
    BeforeValidator(share(1, 4, "a rate")),
    PlainSerializer(lambda value: format_share(value, 10_000)),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
"""Ten-thousandths."""


def _read_tolerance(value: Any) -> float:
    if type(value) not in (int, Decimal):
        raise value_fault(f"{misplaced(value)} where a number is meant", "write one like 0.01")
    if not 0 < value <= 10**12:
        raise value_fault(f"{quoted(value)} is no tolerance", "write a number above 0")
    return float(value)


Tolerance = Annotated[
    float,
    BeforeValidator(_read_tolerance),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
"""A difference of two numbers."""
