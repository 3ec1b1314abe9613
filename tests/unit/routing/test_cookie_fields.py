"""The values of one cookie in fields that hold many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.cookie_fields import values_in, values_of_cookie

LINES = st.lists(
    st.sampled_from([b"a", b"=", b";", b" ", b"\t", b"aa", b"a=", b"b", b"; a=", b"\xe9"])
).map(b"".join)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b"a=1", [b"1"]),
        (b"a=", [b""]),
        (b"a", []),
        (b"b=1; a=2; c=3", [b"2"]),
        (b"a=1; a=2", [b"1", b"2"]),
        (b"a=1;a=2;", [b"1", b"2"]),
        (b" \t a= 1 \t;", [b" 1"]),
        (b"a =1; xa=2; x a=3", []),
        (b"b=a=1; a=b=2", [b"b=2"]),
        (b'a="1"', [b'"1"']),
    ],
)
def test_the_values_of_a_cookie_are(line: bytes, values: list[bytes]) -> None:
    assert values_in(line, b"a=") == values


@given(LINES)
def test_they_are_those_of_the_pairs_between_semicolons(line: bytes) -> None:
    pairs = [pair.strip().partition(b"=") for pair in line.split(b";")]
    assert values_in(line, b"a=") == [value for name, mark, value in pairs if mark and name == b"a"]


def test_only_fields_named_cookie_have_cookies() -> None:
    fields = [(b"cookie", b"a=1"), (b"x-a", b"a=2"), (b"cookie", b"b=3"), (b"cookie", b"a=4")]
    assert values_of_cookie(fields, b"a") == [b"1", b"4"]
