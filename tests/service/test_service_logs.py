"""The log: one JSON object a line."""

import json
import logging
import sys

import pytest

from flightspecial_service.logs import JsonLines


def line(message: str, **more: object) -> dict[str, object]:
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "INFO", "created": 0.5, "msg": message, **more}
    )
    text = JsonLines().format(record)
    assert "\n" not in text
    decoded: dict[str, object] = json.loads(text)
    return decoded


def test_a_record_is_a_line_with_its_time_and_what_was_added() -> None:
    assert line("ready", took_ms=3) == {
        "time": "1970-01-01T00:00:00.500+00:00",
        "level": "info",
        "logger": "x",
        "message": "ready",
        "took_ms": 3,
    }


@pytest.mark.parametrize("text", ["a\r\nb", "\x1b[31m", 'quote " and \\', "half \ud800"])
def test_any_text_stays_within_its_line(text: str) -> None:
    shown = line(text, path=text)
    assert shown["message"] == shown["path"] == text.replace("\ud800", "\\ud800")


def test_what_is_not_json_is_shown_as_python_shows_it() -> None:
    assert line("x", kind=ValueError)["kind"] == "<class 'ValueError'>"


def test_a_traceback_is_part_of_the_line() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        shown = line("failed", exc_info=sys.exc_info())
    assert "ValueError: why" in str(shown["traceback"])
