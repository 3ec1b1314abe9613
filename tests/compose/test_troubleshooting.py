"""docs/troubleshooting.md explains every error response of the facade."""

import re
from collections.abc import Iterator

import pytest

from proxy.errors import RequestError
from tests.compose.reading import ROOT

# A string that ends the arguments of an error which is told its reason when it is raised.
_TOLD_REASON = re.compile(r'(?:TooSlow|Overloaded)\([^()]*"([a-z_]+)"\s*\)')


def _below(kind: type[RequestError]) -> Iterator[type[RequestError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _below(one)


def _rows() -> dict[str, str]:
    """The status beside each reason."""
    page = (ROOT / "docs/troubleshooting.md").read_text()
    rows = re.findall(r"(?m)^\| (`[a-z_`, ]+) \| ([0-9, ]+) \|", page)
    return {name: status for names, status in rows for name in re.findall(r"`([a-z_]+)`", names)}


def _told() -> set[str]:
    texts = [file.read_text() for file in (ROOT / "proxy").rglob("*.py")]
    return {reason for text in texts for reason in _TOLD_REASON.findall(text)}


REASONS = {kind.reason: str(kind.status) for kind in _below(RequestError) if "reason" in vars(kind)}


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_problem_of_the_facade_is_explained(reason: str) -> None:
    assert REASONS[reason] in _rows().get(reason, "")


def test_reasons_that_are_told_when_they_are_raised_are_explained_too() -> None:
    assert {"head_timeout", "too_many_connections"} <= _told() <= set(_rows())


def test_nothing_is_explained_that_does_not_happen() -> None:
    assert set(_rows()) <= set(REASONS) | _told()
