"""JSON that is read in slices, and what is no JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.comparison.json_reader import WINDOW, read_json
from proxy.comparison.pace import Pace
from proxy.comparison.problems import NotComparable, NotJson, Unusable


def read(text: str, pace: Pace | None = None) -> Any:
    steps = read_json(text, pace or Pace())
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


FILL = "x" * WINDOW


@pytest.mark.parametrize(
    "value",
    [
        1,
        "a",
        [],
        {},
        [1, 2.5, "x", None, True, {"a": []}],
        [FILL, [FILL], {"a": FILL, "b": {"c": [FILL]}}, [], {}],
        {"a": [1] * WINDOW, "b": [[]] * WINDOW, "c": [{}] * WINDOW},
        [{"a": [{"b": n}]} for n in range(1000)],
        [{"a": "},{" * 10, "n": n} for n in range(500)],
        [",", *range(WINDOW)],
        [[1], *range(WINDOW)],
        {str(n): n for n in range(WINDOW)},
    ],
)
def test_what_is_read_is_what_the_standard_library_reads(value: Any) -> None:
    assert read(json.dumps(value)) == value
    assert read(json.dumps(value, indent=4)) == value


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(JSON_VALUES, st.sampled_from([None, 1]))
def test_a_value_within_a_large_text_is_read_as_it_is(value: Any, indent: int | None) -> None:
    assert read(json.dumps([value, FILL, value], indent=indent)) == [value, FILL, value]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("[1", "truncated"),
        ('["a', "truncated"),
        ("[1]x", "not_json"),
        ("[1,]", "not_json"),
        ("{a:1}", "not_json"),
        ("['a']", "not_json"),
        ('["\t"]', "not_json"),
        ("01", "not_json"),
        ("9" * 5000, "not_json"),
        ("1e99999999999999999999", "not_json"),
        ("[NaN]", "not_a_number"),
        ("[-Infinity]", "not_a_number"),
        ('{"a":1,"a":1}', "duplicate_key"),
        (f'["{FILL}"', "truncated"),
        (f'["{FILL}" 1]', "not_json"),
        (f'["{FILL}",]', "not_json"),
        (f'{{"a":"{FILL}","a":1}}', "duplicate_key"),
        (f'{{"a":"{FILL}",1:1}}', "not_json"),
        (f'{{"a":"{FILL}",', "truncated"),
        (f'{{"a" "{FILL}"}}', "not_json"),
        (f'["{FILL}",{{"a":1,"a":2}}]', "duplicate_key"),
        ("[" + "1," * WINDOW + "x,1]", "not_json"),
        ("[" + "1," * WINDOW, "truncated"),
    ],
)
def test_what_is_no_json(text: str, reason: str) -> None:
    with pytest.raises(NotJson) as raised:
        read(text)
    assert raised.value.reason == reason


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 500 + "]" * 500, ('{"a":' * 200) + FILL])
def test_what_is_too_deep_is_not_compared(text: str) -> None:
    if text.endswith("]"):
        text = text.replace("]", f',"{FILL}"]', 1)
    with pytest.raises(NotComparable, match="nested too deeply"):
        read(text)


def test_an_empty_container_of_many_characters() -> None:
    space = " " * (2 * WINDOW)
    assert read(f"[[{space}],{{{space}}}]") == [[], {}]


def test_the_work_of_one_comparison_is_bounded() -> None:
    with pytest.raises(Unusable, match="larger than what is compared"):
        read(json.dumps({str(n): n for n in range(WINDOW)}), Pace(max_steps=2000))
