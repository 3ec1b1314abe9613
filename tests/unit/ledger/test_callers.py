"""Classes of callers."""

import pytest

from proxy.errors import FacadeError
from proxy.ledger import callers
from proxy.ledger.callers import Callers, read_classes


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("127.0.0.1", "local"),
        ("::1", "local"),
        ("10.1.2.3", "private"),
        ("8.8.8.8", "public"),
        ("203.0.114.9", "partners"),
        ("2001:4860::1", "partners"),
        ("", "unknown"),
        ("<script>", "unknown"),
    ],
)
def test_an_address_has_a_class(address: str, name: str) -> None:
    classes = read_classes(["partners=203.0.114.0/24, 2001:4860::/32"])
    of = Callers(classes)
    assert [of.class_of(address), of.class_of(address)] == [name, name]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_MAX_KNOWN", 2)
    of = Callers()
    assert [of.class_of(f"10.0.0.{number}") for number in range(4)] == ["private"] * 4


@pytest.mark.parametrize(
    "text", ["partners", "=10.0.0.0/8", "a=", "a=b", "a\n=10.0.0.0/8", f"{'a' * 41}=::/0"]
)
def test_a_class_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FacadeError, match="write NAME=NETWORK"):
        read_classes([text])


def test_classes_are_bounded() -> None:
    with pytest.raises(FacadeError, match="at most 20"):
        read_classes([f"c{number}=10.0.0.{number}" for number in range(21)])
