"""Conditions: what is one, what is refused, and what holds for intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.analysis.conditions import (
    MAX_LENGTH,
    ConditionError,
    Interval,
    Operand,
    holds,
    operands,
    parse_condition,
)


def intervals(new: Interval, legacy: Interval = (1.0, 1.0)) -> dict[Operand, Interval]:
    return {"new": new, "legacy": legacy, "lower_bound": (0.9, 0.9), "upper_bound": (2.0, 2.0)}


@pytest.mark.parametrize(
    ("text", "new", "expected"),
    [
        ("new >= 1", (1.0, 2.0), True),
        ("new >= 1", (0.0, 0.5), False),
        ("new >= 1", (0.5, 1.5), None),
        ("new > 1", (1.0, 1.0), False),
        ("new > 1", (1.1, 2.0), True),
        ("new > 1", (0.5, 1.5), None),
        ("new <= 1", (0.0, 1.0), True),
        ("new < 1", (1.0, 1.0), False),
        ("new == 1", (1.0, 1.0), True),
        ("new == 1", (0.0, 2.0), None),
        ("new == 1", (2.0, 3.0), False),
        ("new == 1", (0.0, 0.5), False),
        ("new >= legacy + 1", (2.0, 2.0), True),
        ("new >= legacy - 1", (0.0, 0.0), True),
        ("new <= legacy * 1.25 + 20", (21.25, 21.25), True),
        ("new <= legacy * 1.25 + 20", (21.3, 21.3), False),
        ("new / 2 >= 1 and lower_bound >= 0.9", (2.0, 3.0), True),
        ("new >= 9 or upper_bound <= 2", (0.0, 0.0), True),
        ("new >= 9 or upper_bound <= 1", (0.0, 0.0), False),
        ("new >= 1 and upper_bound <= 1", (0.0, 2.0), False),
        ("new >= 1 and upper_bound <= 2", (0.0, 2.0), None),
        ("(new >= 9 or new <= 1) and legacy == 1", (0.5, 0.5), True),
        ("(new + 1) * 2 >= 4", (1.0, 1.0), True),
        ("((new)) >= 1", (1.0, 1.0), True),
        ("new-1>=0", (1.0, 1.0), True),
        (" new >= 1 ", (1.0, 1.0), True),
    ],
)
def test_a_condition_holds(text: str, new: Interval, expected: bool | None) -> None:
    assert holds(parse_condition(text), intervals(new)) is expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the condition ends too early", 'write one like "new >= 0.995"'),
        ("new", "the condition ends too early", 'write one like "new >= 0.995"'),
        ("new >=", "the condition ends too early", 'write one like "new >= 0.995"'),
        ("new + 1 + 2", "the condition ends too early", 'write one like "new >= 0.995"'),
        ("(new >= 1", "the condition ends too early", 'write one like "new >= 0.995"'),
        ("(new", "the condition ends too early", 'write one like "new >= 0.995"'),
        ("new >= 1 new", "`new` is in a place where nothing can follow", 'write one like "new >= 0.995"'),
        ("new >= 1)", "`)` is in a place where nothing can follow", 'write one like "new >= 0.995"'),
        ("new and 1", "`and` is no comparison", 'write one like "new >= 0.995"'),
        ("new >= and", "`and` is in a place of a value", 'write one like "new >= 0.995"'),
        ("new >= *", "`*` is in a place of a value", 'write one like "new >= 0.995"'),
        ("new != 1", "`new != 1` is no condition", 'write one like "new >= 0.995"'),
        ("new >= 1; import os", "`new >= 1; import os` is no condition", 'write one like "new >= 0.995"'),
        ("newer >= 1", "`newer` is no value of a metric", ""),
        ("__import__ >= 1", "`__import__` is no value of a metric", ""),
        ("new >= (1 + 2 >= 3", "a bracket is not closed", "write `)`"),
        ("1 >= 0", "the condition names no value of the metric", "compare `new` with a number or `legacy`"),
        ("new / 0 >= 1", "the condition divides by 0", "write another number"),
        ("new / 0.0 >= 1", "the condition divides by 0", "write another number"),
        ("new / legacy >= 1", "the condition divides by a value that may be 0", "divide by a number, or multiply"),
        ("new / (1 - 1) >= 1", "the condition divides by a value that may be 0", "divide by a number, or multiply"),
        ("new >= 1" + " or new >= 1" * 20, f"the condition has more than {MAX_LENGTH} characters", "shorten it"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_condition(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConditionError) as error:
        parse_condition(text)
    assert (str(error.value), error.value.hint) == (message, hint)


def test_an_unknown_word_is_given_for_a_suggestion() -> None:
    with pytest.raises(ConditionError) as error:
        parse_condition("newer >= 1")
    assert error.value.word == "newer"


def test_the_operands_of_a_condition() -> None:
    assert operands(parse_condition("new >= 1 and 2 * legacy <= 1")) == {"new", "legacy"}


@given(st.text(alphabet="newlgacy_01.+-*/()<>=& ord", max_size=60))
def test_every_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ConditionError:
        return
    assert holds(condition, intervals((0.0, 1.0))) in (True, False, None)


@given(st.text(alphabet="()", max_size=MAX_LENGTH))
def test_brackets_do_not_exhaust_the_stack(brackets: str) -> None:
    with pytest.raises(ConditionError):
        parse_condition(brackets)


@given(st.floats(-10, 10), st.floats(0, 5), st.floats(-10, 10))
def test_what_holds_for_an_interval_holds_for_each_value_in_it(
    start: float, width: float, at: float
) -> None:
    condition = parse_condition("new * new - 3 >= legacy or 2 * new <= 1 - legacy / 4")
    value = min(max(start, at), start + width)
    whole = holds(condition, intervals((start, start + width), (0.0, 1.0)))
    if whole is not None:
        assert holds(condition, intervals((value, value), (0.5, 0.5))) is whole
