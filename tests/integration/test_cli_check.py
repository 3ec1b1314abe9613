"""`facade check` and `facade schema`: their exit status, what they print, and where."""

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
import yaml

from proxy.errors import FacadeError
from tests.integration.commands import BROKEN, ROOT, TABLE, WARNED, facade, written

pytestmark = pytest.mark.usefixtures("in_folder")


def test_a_good_table_is_summed_up_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("check") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "routes.yaml: fine: 2 routes, 1 test, coverage 50 %, 1 mirror",
    ]
    assert shown.err == ""


def test_the_file_is_named_as_for_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = written("good.yaml", TABLE), written("bad.yaml", BROKEN)
    assert facade("check", "--routes", bad) == 2
    assert facade("check", "--routes", good) == 0
    assert capsys.readouterr().out.startswith("good.yaml: fine")


def test_every_problem_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("check", written("bad.yaml", BROKEN)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    places = [line.partition(": ")[0] for line in shown.err.splitlines()]
    assert places == ["bad.yaml:9:19", "bad.yaml:10:5", "bad.yaml"]
    assert " — did you mean `retry`?" in shown.err
    assert "\x1b" not in shown.err


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 1)])
def test_warnings_fail_only_where_it_is_asked_for(
    options: Sequence[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert facade("check", written("w.yaml", WARNED), *options) == status
    shown = capsys.readouterr()
    assert "w.yaml:8:46: warning: the method `FETCH`" in shown.err
    assert "1 warning" in shown.out


def test_an_accepted_difference_that_has_expired_is_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = '{path: "$.a", reason: r, owner: web, expires: "%s"}'
    entries = f"{entry % '2001-02-03'}, {entry % '9999-01-01'}"
    mirror = f"mirror: {{compare: {{body: {{ignore: [{entries}]}}}}}}"
    text = TABLE.replace("mirror: {compare: {status: exact}}", mirror)
    assert facade("check", written("e.yaml", text), "--strict") == 1
    (line,) = capsys.readouterr().err.splitlines()
    column = text.splitlines()[10].index('"2001') + 1
    assert line == (
        f"e.yaml:11:{column}: warning: the accepted difference at $.a expired on 2001-02-03: "
        "it counts again — mend it, or ask web for a later day"
    )


def test_the_long_form_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("check", "--expand") == 0
    long = capsys.readouterr().out
    assert "weight: 80" in long
    assert facade("check", written("long.yaml", long)) == 0


def test_check_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("check", "--json") == 0
    good = json.loads(capsys.readouterr().out)
    assert (good["ok"], good["routes"], good["uncovered"]) == (True, 2, ["rest"])
    assert facade("check", "--json", written("bad.yaml", BROKEN)) == 2
    bad = json.loads(capsys.readouterr().out)
    assert not bad["ok"]
    assert bad["problems"][0]["line"] == 9


@pytest.mark.parametrize("file", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_gets_one_sentence(file: str) -> None:
    with pytest.raises(FacadeError, match="name the route table's file") as raised:
        facade("check", file)
    assert "\n" not in str(raised.value)


def test_the_schema_takes_a_good_table_and_refuses_a_bad_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert facade("schema") == 0
    made = json.loads(capsys.readouterr().out)
    validator = jsonschema.Draft202012Validator(made)
    assert list(validator.iter_errors(yaml.safe_load(TABLE))) == []
    assert list(validator.iter_errors(yaml.safe_load(BROKEN))) != []


def test_the_schema_that_is_shipped_is_up_to_date() -> None:
    assert facade("schema", "-o", "made.json") == 0
    shipped = ROOT / "docs" / "routes.schema.json"
    assert Path("made.json").read_text() == shipped.read_text(), (
        "write it anew: facade schema -o docs/routes.schema.json"
    )
