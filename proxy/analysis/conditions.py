"""The conditions of a rollout's metrics: comparisons of `new`, `legacy`, `lower_bound`, `upper_bound` and numbers.

    condition  = both {"or" both}
    both       = comparison {"and" comparison}
    comparison = sum (">=" | "<=" | ">" | "<" | "==") sum  |  "(" condition ")"
    sum        = product {("+" | "-") product}
    product    = factor {"*" factor | "/" number}
    factor     = number | operand | "(" sum ")"

A condition is total: its length is bounded, it has no loop and no call, and it divides by numbers other than 0 only.
It is evaluated with an interval for each operand: the result is true or false for all of their values, or open.
"""

import re
from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import Struct

Operand = Literal["new", "legacy", "lower_bound", "upper_bound"]
OPERANDS: tuple[Operand, ...] = get_args(Operand)
Interval = tuple[float, float]
MAX_LENGTH = 200

_TOKEN = re.compile(
    r" *(?:([0-9]{1,12}(?:\.[0-9]{1,9})?)|([A-Za-z_][A-Za-z0-9_]*)|(>=|<=|==|[-+*/()<>]))"
)
_COMPARISONS = (">=", "<=", "==", ">", "<")


class ConditionError(ValueError):
    """A text that is no condition. `word` is one that nobody knows, or empty."""

    def __init__(self, text: str, hint: str = "", word: str = "") -> None:
        super().__init__(text)
        self.hint = hint
        self.word = word


class Number(Struct, frozen=True):
    """A number."""

    value: float


class Name(Struct, frozen=True):
    """An operand."""

    name: Operand


class Arithmetic(Struct, frozen=True):
    """`+`, `-`, `*` or `/` of two expressions. The right side of `/` is a number other than 0."""

    sign: str
    left: "Expression"
    right: "Expression"


class Comparison(Struct, frozen=True):
    """A comparison of two expressions."""

    sign: str
    left: "Expression"
    right: "Expression"


class Junction(Struct, frozen=True):
    """`and` or `or` of two conditions."""

    word: str
    left: "Condition"
    right: "Condition"


Expression = Number | Name | Arithmetic
Condition = Comparison | Junction


def parse_condition(text: str) -> Condition:
    """Raises ConditionError."""
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"the condition has more than {MAX_LENGTH} characters", "shorten it")
    parser = _Parser(_tokens(text))
    try:
        condition = parser.condition()
    except IndexError:
        raise ConditionError("the condition ends too early", _EXAMPLE) from None
    if parser.rest:
        raise ConditionError(f"`{parser.rest[0]}` is in a place where nothing can follow", _EXAMPLE)
    if not operands(condition):
        raise ConditionError(
            "the condition names no value of the metric", "compare `new` with a number or `legacy`"
        )
    return condition


def operands(part: Condition | Expression) -> frozenset[Operand]:
    """The operands that occur."""
    if isinstance(part, Number):
        return frozenset()
    if isinstance(part, Name):
        return frozenset((part.name,))
    return operands(part.left) | operands(part.right)


def holds(condition: Condition, values: Mapping[Operand, Interval]) -> bool | None:
    """Whether the condition holds for all values in the intervals. None if it holds for some of them only, or may."""
    if isinstance(condition, Junction):
        sides = holds(condition.left, values), holds(condition.right, values)
        decisive = condition.word == "or"
        if decisive in sides:
            return decisive
        return None if None in sides else not decisive
    left, right = _value(condition.left, values), _value(condition.right, values)
    return _compared(condition.sign, left, right)


def _compared(sign: str, left: Interval, right: Interval) -> bool | None:
    if sign in ("<", "<="):
        return _compared({"<": ">", "<=": ">="}[sign], right, left)
    if sign == "==":
        if left[0] == left[1] == right[0] == right[1]:
            return True
        return False if left[1] < right[0] or right[1] < left[0] else None
    if sign == ">":
        return True if left[0] > right[1] else False if left[1] <= right[0] else None
    return True if left[0] >= right[1] else False if left[1] < right[0] else None


def _value(part: Expression, values: Mapping[Operand, Interval]) -> Interval:
    if isinstance(part, Number):
        return part.value, part.value
    if isinstance(part, Name):
        return values[part.name]
    left, right = _value(part.left, values), _value(part.right, values)
    if part.sign == "+":
        return left[0] + right[0], left[1] + right[1]
    if part.sign == "-":
        return left[0] - right[1], left[1] - right[0]
    if part.sign == "/":
        right = (1 / right[0], 1 / right[0])
    products = [one * other for one in left for other in right]
    return min(products), max(products)


# --- parsing --------------------------------------------------------------------------------

_EXAMPLE = 'write one like "new >= 0.995"'


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.strip(" ")
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ConditionError(f"`{text}` is no condition", _EXAMPLE)
        tokens.append(found[0].strip(" "))
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent. Depth and time are bounded by the length of the text. Raises IndexError at its end."""

    def __init__(self, tokens: list[str]) -> None:
        self.rest = tokens

    def condition(self) -> Condition:
        left = self._both()
        while self.rest[:1] == ["or"]:
            left = Junction(self.rest.pop(0), left, self._both())
        return left

    def _both(self) -> Condition:
        left = self._comparison()
        while self.rest[:1] == ["and"]:
            left = Junction(self.rest.pop(0), left, self._comparison())
        return left

    def _comparison(self) -> Condition:
        if self.rest[0] == "(" and self._opens_condition():
            self.rest.pop(0)
            condition = self.condition()
            self._close()
            return condition
        left = self._sum()
        sign = self.rest.pop(0)
        if sign not in _COMPARISONS:
            raise ConditionError(f"`{sign}` is no comparison", _EXAMPLE)
        return Comparison(sign, left, self._sum())

    def _opens_condition(self) -> bool:
        """Whether the bracket that opens here has a comparison inside."""
        depth = 0
        for token in self.rest:
            depth += (token == "(") - (token == ")")
            if token in _COMPARISONS:
                return True
            if depth == 0:
                return False
        return False

    def _sum(self) -> Expression:
        left = self._product()
        while self.rest and self.rest[0] in ("+", "-"):
            left = Arithmetic(self.rest.pop(0), left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._factor()
        while self.rest and self.rest[0] in ("*", "/"):
            sign = self.rest.pop(0)
            right = self._factor()
            if sign == "/":
                _check_divisor(right)
            left = Arithmetic(sign, left, right)
        return left

    def _factor(self) -> Expression:
        token = self.rest.pop(0)
        if token == "(":
            inner = self._sum()
            self._close()
            return inner
        for name in OPERANDS:
            if token == name:
                return Name(name)
        if token[0].isdigit():
            return Number(float(token))
        if token.isidentifier() and token not in ("and", "or"):
            raise ConditionError(f"`{token}` is no value of a metric", word=token)
        raise ConditionError(f"`{token}` is in a place of a value", _EXAMPLE)

    def _close(self) -> None:
        if self.rest.pop(0) != ")":
            raise ConditionError("a bracket is not closed", "write `)`")


def _check_divisor(divisor: Expression) -> None:
    if not isinstance(divisor, Number):
        raise ConditionError(
            "the condition divides by a value that may be 0", "divide by a number, or multiply"
        )
    if divisor.value == 0:
        raise ConditionError("the condition divides by 0", "write another number")
