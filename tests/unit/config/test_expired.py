"""Accepted differences whose day has come, or comes soon (rule 7)."""

from datetime import date

import pytest

from proxy.config.checks.expired import expired
from proxy.config.loader import parse_table
from proxy.errors import Problem

TABLE = """\
version: 1
backends: {legacy: http://a:1, new: http://b:1}
routes:
- {name: none, match: {path: {prefix: /a}}, backend_refs: legacy}
- {name: copied, stage: shadow, match: {path: {prefix: /b}}, backend_refs: [legacy, new], mirror: {}}
- name: compared
  stage: shadow
  match: {path: {prefix: /c}}
  backend_refs: [legacy, new]
  mirror: {compare: {status: class}}
- name: tolerant
  stage: shadow
  match: {path: {prefix: /d}}
  backend_refs: [legacy, new]
  mirror:
    compare:
      body:
        ignore:
        - {path: $.price, reason: rounding, owner: web team, expires: "2026-03-01"}
        - {path: $.date, reason: zone, owner: ada, expires: "2026-02-28"}
- name: rest
  backend_refs: [legacy, new]
  stage: shadow
  mirror: {compare: {body: {ignore: [{path: $.x, reason: r, owner: o, expires: "2026-03-02"}]}}}
"""


def found_on(day: date) -> list[Problem]:
    text = TABLE.encode()
    parse_table(text)
    return expired(text, "routes.yaml", day)


@pytest.mark.parametrize(
    ("day", "expired_paths", "soon"),
    [
        pytest.param(date(2026, 2, 13), [], [], id="fifteen days before the first"),
        pytest.param(date(2026, 2, 14), [], ["$.date"], id="fourteen days before the first"),
        pytest.param(date(2026, 2, 27), [], ["$.price", "$.date", "$.x"], id="the day before"),
        pytest.param(date(2026, 2, 28), ["$.date"], ["$.price", "$.x"], id="the day itself"),
        pytest.param(
            date(2026, 3, 1), ["$.price", "$.date"], ["$.x"], id="in the order of the file"
        ),
        pytest.param(date(2027, 1, 1), ["$.price", "$.date", "$.x"], [], id="of every route"),
    ],
)
def test_a_difference_counts_again_from_its_day_on(
    day: date, expired_paths: list[str], soon: list[str]
) -> None:
    days = {"$.price": "2026-03-01", "$.date": "2026-02-28", "$.x": "2026-03-02"}
    expected = []
    for path, on in days.items():
        if path in expired_paths:
            expected.append(f"the accepted difference at {path} expired on {on}: it counts again")
        if path in soon:
            expected.append(
                f"the accepted difference at {path} expires on {on}: it counts from then on"
            )
    assert [problem.text for problem in found_on(day)] == expected


def test_it_is_a_warning_at_its_day_and_names_who_can_mend_it() -> None:
    warning = found_on(date(2026, 2, 28))[1]
    line = TABLE.splitlines()[warning.line - 1]
    assert line[warning.column - 1 :] == '"2026-02-28"}'
    assert warning.severity == "warning"
    assert warning.hint == "mend it, or ask ada for a later day"
