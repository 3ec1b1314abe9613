"""Both ways do the same with hostile and with random messages (ADR 21)."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.hostile.cases import Case, Hostile
from tests.hostile.corpus import HOSTILE, REQUESTS
from tests.hostile.strategies import mutated, requests, responses
from tests.unit.forwarding.both_ways import GET, Pair

_FUZZ = settings(
    max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_both_ways_do_the_same_with_hostile_requests(plain: Pair, case: Case) -> None:
    pieces = [piece for piece in case.pieces if piece]
    plain.send(*pieces)
    plain.send(b"".join(pieces))


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_both_ways_do_the_same_with_hostile_responses(plain: Pair, case: Hostile) -> None:
    for piece in case.pieces:
        if piece:
            plain.send(GET % b"/", response=piece)


def test_both_ways_do_the_same_with_random_requests(plain: Pair, pair: Pair) -> None:
    @_FUZZ
    @example(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    @given(st.one_of(requests(), mutated(requests())))
    def same(data: bytes) -> None:
        plain.send(data)
        pair.send(data)

    same()


def test_both_ways_do_the_same_with_random_responses(plain: Pair) -> None:
    @_FUZZ
    @given(st.one_of(responses(), mutated(responses())))
    def same(data: bytes) -> None:
        if data:
            plain.send(GET % b"/", response=data)

    same()
