"""Writes recorded cases as a test file that needs httpx and pytest only."""

import json
import re
from typing import Any

from proxy.comparison.cases import Case, RecordedCases
from proxy.comparison.places import pointer_of_difference, pointer_of_path
from proxy.comparison.redaction import REDACTED

_PLAIN_NAME = re.compile("[A-Za-z0-9_.-]+")
_TEMPLATE = '''\
"""Recorded requests of the route @ROUTE@, and what the incumbent responded. Written by `facade export-cases`.

    BASE_URL=http://127.0.0.1:8080 pytest @FILE@

It passes on the incumbent, and fails for a newcomer that responds with something else. Values that differ from request
to request, secrets, and rows that have expired are left out. Two formats of an instant are equal.
"""

import json
import os
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import httpx
import pytest

BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:8080")
REDACTED = @REDACTED@
# Places that differ from request to request, or that may differ: JSON pointers with * for members of arrays.
IGNORED = json.loads(@IGNORED@)
# Places that are written in two ways.
EQUAL = json.loads(@EQUAL@)
STATUS = @STATUS@
CASES = json.loads(@CASES@)


def is_ignored(path):
    return any(path == each or path.startswith(each + "/") for each in IGNORED)


def instant(value, rule):
    """Seconds since 1970, for a value in one of the two formats; None for another one."""
    for written in (rule["left"], rule["right"]):
        if type(value) in (int, float) and written in ("epoch_s", "epoch_ms"):
            return value / (1000 if written == "epoch_ms" else 1)
        if type(value) is str and written in ("iso", "iso_local"):
            try:
                found = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                return None
            zone = timezone.utc if rule["zone"] == "UTC" else ZoneInfo(rule["zone"])
            return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
    return None


def same(expected, actual, path):
    """Whether two values that are no containers are the same."""
    rule = EQUAL.get(path)
    is_number = type(expected) in (int, float) and type(actual) in (int, float)
    if rule and rule["kind"] == "instant":
        one, other = instant(expected, rule), instant(actual, rule)
        if one is not None and other is not None:
            return abs(one - other) < 0.001
    if rule and rule["kind"] == "number" and is_number:
        return abs(expected - actual) <= rule["tolerance"] * (1 + 1e-9)
    if rule and rule["kind"] == "case_insensitive" and type(expected) is type(actual) is str:
        return expected.casefold() == actual.casefold()
    return (is_number or type(expected) is type(actual)) and expected == actual


def key(row, name, path):
    """The value by which a row is recognised, whatever its format."""
    rule = EQUAL.get(path + "/" + name)
    value = row.get(name)
    if rule and rule["kind"] == "instant":
        return instant(value, rule)
    if rule and type(value) is str:
        return value.casefold()
    return json.dumps(value) if type(value) in (list, dict) else value


def naming_member(expected, path):
    """The member that identifies the rows of an array; None if there is none."""
    if not expected or not all(type(row) is dict for row in expected):
        return None
    for name in expected[0]:
        if is_ignored(path + "/*/" + name) or any(row.get(name) == REDACTED for row in expected):
            continue
        keys = [key(row, name, path + "/*") for row in expected]
        plain = all(type(each) in (str, int, float) for each in keys)
        if plain and len(set(keys)) == len(keys):
            return name
    return None


def may_be_gone(row, path):
    """Whether a row has an instant that has passed: the list may no longer have it."""
    now = datetime.now(timezone.utc).timestamp()
    rules = {name: EQUAL.get(path + "/" + name) for name in row} if type(row) is dict else {}
    instants = {name: rule for name, rule in rules.items() if rule and rule["kind"] == "instant"}
    passed = [instant(row[name], rule) for name, rule in instants.items()]
    return any(each is not None and each <= now + 5 for each in passed)


def differences(expected, actual, path=""):
    """The places at which a response differs."""
    if is_ignored(path) or expected == REDACTED:
        return []
    if type(expected) is dict and type(actual) is dict:
        new = [path + "/" + name for name in actual if name not in expected]
        found = [each + ": extra" for each in new if not is_ignored(each)]
        for name, value in expected.items():
            if name in actual:
                found += differences(value, actual[name], path + "/" + name)
            elif not is_ignored(path + "/" + name):
                found.append(path + "/" + name + ": missing")
        return found
    if type(expected) is list and type(actual) is list:
        return rows_differ(expected, actual, path)
    return [] if same(expected, actual, path) else [f"{path}: {expected!r} is {actual!r}"]


def rows_differ(expected, actual, path):
    name = naming_member(expected, path)
    if name is None or not all(type(row) is dict for row in actual):
        found = []
        if len(expected) != len(actual) and not is_ignored(path + "/*"):
            found.append(path + "/*: another number of rows")
        for one, other in zip(expected, actual):
            found += differences(one, other, path + "/*")
        return found
    found, left = [], {key(row, name, path + "/*"): row for row in actual}
    for row in expected:
        other = left.get(key(row, name, path + "/*"))
        if other is not None:
            found += differences(row, other, path + "/*")
        elif not may_be_gone(row, path + "/*") and not is_ignored(path + "/*"):
            found.append(f"{path}/*: no row with {name} = {row[name]!r}")
    known = {key(row, name, path + "/*") for row in expected}
    if (len(left) < len(actual) or not left.keys() <= known) and not is_ignored(path + "/*"):
        found.append(path + "/*: extra rows")
    order = [each for each in left if each in known]
    wanted = [each for each in (key(row, name, path + "/*") for row in expected) if each in left]
    rule = EQUAL.get(path)
    if order != wanted and not (rule and rule["kind"] == "set"):
        found.append(path + ": another order")
    return found


def members(value, name):
    if name == "content-type":
        return [value.split(";")[0].strip().lower()]
    return sorted(part.strip().lower() for part in value.split(",") if part.strip())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_response_is_that_of_the_incumbent(case):
    with httpx.Client(base_url=BASE_URL, timeout=30, follow_redirects=False) as client:
        response = client.request(case["method"], case["target"], headers=case["headers"])
    if STATUS == "exact":
        assert response.status_code == case["status"]
    elif STATUS == "class":
        assert response.status_code // 100 == case["status"] // 100
    for name, expected in case["fields"].items():
        found = members(response.headers.get(name, ""), name)
        assert found == members(", ".join(expected), name), name
    if case["has_json"]:
        assert differences(case["body"], response.json()) == []
'''


def written_tests(recorded: RecordedCases, file: str) -> str:
    """The text of the test file. `file` is its name."""
    rules = recorded.rules
    equal = {
        pointer_of_path(each.path): {
            "kind": each.kind,
            "left": each.left,
            "right": each.right,
            "zone": each.zone,
            "tolerance": each.tolerance,
        }
        for each in rules.equal
    }
    harmless = {pointer_of_difference(each.path) for each in rules.ignore} | set(recorded.noise)
    ignored = {path for path in harmless if not path or path.startswith("/")}
    values = {
        "ROUTE": recorded.route,
        "FILE": file if _PLAIN_NAME.fullmatch(file) else "FILE",
        "REDACTED": repr(REDACTED),
        "IGNORED": _literal(sorted(ignored)),
        "EQUAL": _literal(equal),
        "STATUS": repr("any" if "status" in harmless else rules.status),
        "CASES": _literal(_cases(recorded, harmless)),
    }
    return re.sub("@([A-Z]+)@", lambda found: values[found[1]], _TEMPLATE)


def _literal(value: Any) -> str:
    """JSON as a Python text that is readable where it can be."""
    text = json.dumps(value, indent=1, ensure_ascii=True)
    # In a raw text a backslash is one; a text in quotes of its own kind cannot be written raw.
    return f"r'''{text}'''" if "'''" not in text and not text.endswith("'") else repr(text)


def _cases(recorded: RecordedCases, harmless: set[str]) -> list[dict[str, Any]]:
    return [_case(number, case, harmless) for number, case in enumerate(recorded.cases, 1)]


def _case(number: int, case: Case, harmless: set[str]) -> dict[str, Any]:
    request = case.request
    differed = f" differed: {', '.join(case.places[:3])}" if case.places else ""
    return {
        "name": f"{number} {request.method} {request.target[:80]}{differed}",
        "method": request.method,
        "target": request.target,
        "headers": [list(each) for each in request.headers],
        "status": case.status,
        "fields": {
            name: list(value) for name, value in case.fields if f"header:{name}" not in harmless
        },
        "has_json": case.has_json,
        "body": case.body,
    }
