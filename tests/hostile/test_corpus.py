"""The corpus over both tiers, row by row."""

import pytest

from tests.hostile.cases import Case, Hostile
from tests.hostile.corpus import HOSTILE, REQUESTS
from tests.hostile.judge import Judge


@pytest.mark.parametrize("case", REQUESTS, ids=[case.name for case in REQUESTS])
def test_a_hostile_request(judge: Judge, case: Case) -> None:
    assert judge.request(case) == []


@pytest.mark.parametrize("case", HOSTILE, ids=[case.name for case in HOSTILE])
def test_a_hostile_response(judge: Judge, case: Hostile) -> None:
    assert judge.response(case) == []


def test_the_corpus_is_as_large_as_it_says_and_every_name_is_there_once() -> None:
    assert len(REQUESTS) >= 200
    assert len(HOSTILE) >= 80
    assert len({case.name for case in REQUESTS}) == len(REQUESTS)
    assert len({case.name for case in HOSTILE}) == len(HOSTILE)
