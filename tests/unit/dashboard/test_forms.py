"""Forms of the dashboard: what is missing is named, and foreign bodies are refused."""

from urllib.parse import urlencode

import pytest

from proxy.dashboard.forms import check_edit, edit_of, read_form
from proxy.errors import EditError

FULL = {"action": "shift", "route": "list", "who": "ada", "reason": "why", "form_token": "t"}


def body(**fields: str | list[str]) -> bytes:
    return urlencode({**FULL, **fields}, doseq=True).encode()


def test_a_form_keeps_its_fields_for_the_confirmation_but_no_token() -> None:
    form = read_form(body(backend=["a", "b"], weight=["30", "70"]))
    assert (form.action, form.route, form.who, form.token) == ("shift", "list", "ada", "t")
    assert form.all_of("weight") == ["30", "70"]
    assert "form_token" not in dict(form.fields)


@pytest.mark.parametrize(
    "raw",
    [b"a", b"\xff=1", b"&".join([b"a=1"] * 300), b"a=%ff", b"a=1;b"],
    ids=["no pair", "not ASCII", "too many fields", "not UTF-8", "odd"],
)
def test_a_body_that_is_no_form_is_refused_in_one_sentence(raw: bytes) -> None:
    with pytest.raises(EditError, match=r"no form of the dashboard|choose one of the actions"):
        check_edit(read_form(raw), is_confirmed=False)


@pytest.mark.parametrize(
    ("fields", "sentences"),
    [
        ({}, []),
        ({"reason": " "}, ["write a reason: the history keeps it"]),
        ({"who": ""}, ["write your name: the history keeps it"]),
        ({"reason": "a\nb"}, ["write a reason as one line of at most 500 characters"]),
        ({"who": "a" * 501}, ["write your name as one line of at most 500 characters"]),
        (
            {"who": "", "reason": "", "action": "drop"},
            [
                "choose one of the actions of the page",
                "write your name: the history keeps it",
                "write a reason: the history keeps it",
            ],
        ),
    ],
)
def test_everything_that_is_missing_is_named(fields: dict[str, str], sentences: list[str]) -> None:
    form = read_form(body(**fields))
    if not sentences:
        check_edit(form, is_confirmed=False)
        return
    with pytest.raises(EditError) as caught:
        check_edit(form, is_confirmed=False)
    assert str(caught.value).splitlines() == sentences


def test_an_edit_is_confirmed_for_the_version_that_was_shown() -> None:
    with pytest.raises(EditError, match="look at the change first"):
        check_edit(read_form(body()), is_confirmed=True)
    check_edit(read_form(body(version="0123456789ab")), is_confirmed=True)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"backend": ["a"], "weight": ["x"]}, "is no weight"),
        ({"backend": ["a", "b"], "weight": ["1"]}, "each backend needs one weight"),
        ({"backend": ["a", "a"], "weight": ["1", "2"]}, "given twice"),
        ({"action": "stage", "stage": "best"}, "there is no stage"),
        ({"action": "stage", "stage": "canary", "stage_weight": "101"}, "is no weight"),
    ],
)
def test_a_bad_value_is_refused_as_the_command_line_does(
    fields: dict[str, str | list[str]], sentence: str
) -> None:
    with pytest.raises(EditError, match=sentence):
        edit_of(read_form(body(**fields)), "routes.yaml")
