"""Times of logs, in UTC."""

import pytest

from proxy.ledger import instants
from proxy.ledger.instants import Instants


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-30T10:00:01.123456Z", "2026-11-30T10:00:01"),
        ("2026-11-30T10:00:01Z", "2026-11-30T10:00:01"),
        ("29/Nov/2026:10:00:07 +0000", "2026-11-29T10:00:07"),
        ("01/Jan/2026:00:30:07 +0900", "2025-12-31T15:30:07"),
        ("29/Nov/2026:10:00:07 -0230", "2026-11-29T12:30:07"),
        ("29/Foo/2026:10:00:07 +0000", ""),
        ("31/Feb/2026:10:00:07 +0000", ""),
        ("01/Jan/0001:00:00:07 +0900", ""),
        ("2026-11-30 10:00:01", ""),
        ("", ""),
    ],
)
def test_a_time_is_read(text: str, instant: str) -> None:
    assert Instants().read(text) == instant


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instants, "_MAX_KNOWN", 2)
    read = Instants().read
    found = [read(f"29/Nov/2026:10:0{minute}:07 +0000") for minute in (1, 2, 3, 3)]
    assert found[-1] == "2026-11-29T10:03:07"
