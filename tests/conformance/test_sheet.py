"""The suite tells the truth about itself: its limits are its cases', and docs/protocol.md lists it as it is."""

from collections import Counter

from tests.conformance.limits import ASGI_LIMITS, printed
from tests.conformance.sheet import DOCUMENT, cases, lines, modules, written


def test_a_case_has_lesser_steps_exactly_where_a_limit_is_told() -> None:
    assert {case.name for case in cases() if case.asgi is not None} == ASGI_LIMITS.keys()


def test_lesser_steps_are_other_steps() -> None:
    assert not [case.name for case in cases() if case.asgi == case.steps]


def test_no_two_lines_of_a_file_say_the_same() -> None:
    for module in modules():
        counted = Counter(line.what for line in lines(module))
        assert not [what for what, times in counted.items() if times > 1], module.__name__


def test_every_case_says_where_it_stands() -> None:
    assert not [case.name for case in cases() if not case.rfc]


def test_the_limits_can_be_printed() -> None:
    assert printed().count("\n") == len(ASGI_LIMITS) + 1


def test_the_document_lists_the_suite_as_it_is() -> None:
    assert DOCUMENT.read_text() == written(), "run: python -m tests.conformance.sheet"
