"""`facade parity`: the report as people read it and as JSON, of one admin listener and of several."""

import json
import time
from typing import Any

import msgspec
import pytest
import respx

from proxy import cli
from proxy.comparison.outcome import EQUAL, Difference, Outcome
from proxy.comparison.parity import Parity
from proxy.comparison.replicas import RouteCounts
from proxy.model import CompareRules

REPORT: dict[str, Any] = {
    "route": "list", "window_s": 86400.0, "compared": 1000, "equal": 990, "baseline_invalid": 2,
    "dropped": {"busy": 3, "queue": 5}, "share": 0.99, "lower_bound": 0.98, "upper_bound": 0.995,
    "differences": [
        {"path": "/*/code", "kind": "value", "count": 10, "share": 0.01, "declared": False, "noise": False, "users": 4,
         "example": {"left": "LHR", "right": "x" * 60}},
        {"path": "", "kind": "order", "count": 5, "share": 0.005, "declared": True, "noise": False, "users": 0,
         "example": {"left": None, "right": 1}},
        {"path": "/id", "kind": "value", "count": 1, "share": 0.001, "declared": False, "noise": True, "users": 0,
         "example": {"left": "\u202e", "right": None}},
    ],
}  # fmt: skip
ADMIN = "http://admin.example:9901"


def test_parity_as_people_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    with respx.mock(base_url=ADMIN) as listener:
        route = listener.get("/parity", params={"route": "list"}).respond(json=REPORT)
        assert cli.main(["parity", "list", "--admin", ADMIN]) == 0
        assert route.call_count == 1
    assert capsys.readouterr().out.splitlines() == [
        "route    list",
        "window   24 h",
        "compared 1,000 responses: 990 equal, 10 different",
        "parity   99.00 %; 98.00 % to 99.50 % with a confidence of 95 %",
        "left out 2 without a valid response of the incumbent; 8 not sent or not compared (queue 5, busy 3)",
        "",
        "share   kind   path        users            incumbent  newcomer",
        f'1.00 %  value  /*/code     4                "LHR"      "{"x" * 38}…',
        "0.50 %  order  (document)         declared  -          1",
        '0.10 %  value  /id                noise     "\\u202e"   -',
    ]


def counts(equal: int, setup: str = "s") -> bytes:
    """What a facade has counted: so many equal responses, and one that differs."""
    parity = Parity()
    for number in range(equal + 1):
        wrong = Outcome("different", "", (Difference("/code", "value", "LHR", "CDG"),))
        parity.add(wrong if number == equal else EQUAL, time.time())
    return msgspec.json.encode(RouteCounts("list", setup, CompareRules(), parity.counts))


def test_the_parity_of_several_facades(capsys: pytest.CaptureFixture[str]) -> None:
    with respx.mock() as listeners:
        listeners.get("http://a:1/parity/counts").respond(content=counts(99))
        listeners.get("http://b:1/parity/counts").respond(content=counts(199))
        assert (
            cli.main(["parity", "list", "--admin", "a:1", "--admin", "http://b:1/", "--json"]) == 0
        )
    shown = json.loads(capsys.readouterr().out)
    assert (shown["compared"], shown["equal"]) == (300, 298)
    assert shown["lower_bound"] < shown["share"] < shown["upper_bound"]
    assert list(shown) == list(REPORT)
    (difference,) = shown["differences"]
    assert list(difference) == list(REPORT["differences"][0])
    assert (difference["count"], difference["example"]) == (2, {"left": "LHR", "right": "CDG"})


def test_facades_with_other_rules_are_not_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    with respx.mock() as listeners:
        listeners.get("http://a:1/parity/counts").respond(content=counts(99))
        listeners.get("http://b:1/parity/counts").respond(content=counts(99, setup="other"))
        assert cli.main(["parity", "list", "--admin", "a:1", "--admin", "b:1"]) == 2
    assert "http://a:1 and http://b:1 compare the route by other rules" in capsys.readouterr().err


def test_many_differences_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    many = [{**REPORT["differences"][0], "path": f"/{n}"} for n in range(25)]
    with respx.mock(base_url=ADMIN) as listener:
        listener.get("/parity").respond(
            json=[{**REPORT, "differences": many, "baseline_invalid": 0, "dropped": {}}]
        )
        assert cli.main(["parity", "list", "--admin", ADMIN]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "and 5 other places; --json lists them"
    assert not any(line.startswith("left out") for line in lines)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"[]", "compares no responses of a route 'list': name one with `mirror.compare`"),
        (200, b"{}", "is no facade's admin listener"),
        (200, b"\xff", "is no facade's admin listener"),
        (401, b"", "asks for a token"),
        (404, b"no", "answered 404: no"),
    ],
)
def test_no_parity_is_one_sentence(
    status: int, body: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with respx.mock(base_url=ADMIN) as listener:
        listener.get("/parity").respond(status, content=body)
        assert cli.main(["parity", "list", "--admin", ADMIN]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["parity", "list", "--admin", "list"])
    assert "'list' is no address: write one like http://" in capsys.readouterr().err
