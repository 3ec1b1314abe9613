"""Durations, sizes and switches: each mistake at its exact place, with what to write instead."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.config.units import format_duration, format_size
from tests.unit.config.config_tables import (
    HEAD,
    ONE_ROUTE,
    assert_problem,
    only_route,
    parse,
    with_route,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("250ms", 0.25), ("5s", 5), ("1m", 60), ("24h", 86_400), ("1.5s", 1.5), ("0.001s", 0.001)],
)
def test_a_duration_is_a_number_with_a_unit(written: str, seconds: float) -> None:
    route = only_route(with_route(f"backend_refs: legacy, timeouts: {{stream_idle: {written}}}"))
    assert route.timeouts.stream_idle_s == seconds


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("5", "`5` is a duration without a unit — write 5s"),
        ("0", "`0` is a duration without a unit — write 0s"),
        ("1.5", "`1.5` is a duration without a unit — write 1.5s"),
        ("010", "`010` is a duration without a unit — write 010s"),
        ('"5"', "`5` is a duration without a unit — write 5s"),
        ("1:30", "`1:30` without quotes is read differently by every YAML reader — write a duration: 250ms, 5s, 1m, 24h or 30d"),
        ("soon", "`soon` is no duration — write 250ms, 5s, 1m, 24h or 30d"),
        ("5 s", "`5 s` is no duration — write 250ms, 5s, 1m, 24h or 30d"),
        ("-5s", "`-5s` is no duration — write 250ms, 5s, 1m, 24h or 30d"),
        ("5S", "`5S` is no duration — write 250ms, 5s, 1m, 24h or 30d"),
        ("0s", "`0s` is out of range — write 1ms to 1d"),
        ("2d", "`2d` is out of range — write 1ms to 1d"),
        ("0.0001s", "`0.0001s` is finer than a millisecond — write whole milliseconds"),
        ("true", "`true` is a boolean, and text is meant — write a duration: 250ms, 5s, 1m, 24h or 30d"),
    ],
)  # fmt: skip
def test_a_duration_that_is_none_is_an_error(written: str, said: str) -> None:
    assert_problem(with_route(f"backend_refs: legacy, timeouts: {{stream_idle: «{written}}}"), said)


@pytest.mark.parametrize(
    ("written", "count"),
    [("512B", 512), ("32KiB", 32_768), ("1MiB", 1_048_576), ("1.5KB", 1500), ("2GB", 2_000_000_000),
     ("1MB", 1_000_000), ("1GiB", 1_073_741_824), ("0B", 0)],
)  # fmt: skip
def test_a_size_is_a_number_with_a_unit(written: str, count: int) -> None:
    route = only_route(with_route(f"backend_refs: legacy, limits: {{max_body_bytes: {written}}}"))
    assert route.limits.max_body_bytes == count


@pytest.mark.parametrize(
    ("written", "via"),
    [
        ("on", True), ("off", False), ("Off", False), ('"off"', False), ("'on'", True),
        ("true", True), ("false", False),
    ],
)  # fmt: skip
def test_a_switch_is_on_or_off(written: str, via: bool) -> None:
    text = f"{HEAD}{ONE_ROUTE}defaults: {{forwarded: {{via: {written}}}}}\n"
    assert parse(text).forwarded.via is via


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("no", "`no` stands where a switch is meant — write on or off"),
        ("1", "`1` stands where a switch is meant — write on or off"),
        ("[off]", "a list stands where a switch is meant — write on or off"),
        ("~", "nothing is given where a switch is meant — write on or off"),
    ],
)
def test_a_switch_that_is_none_is_an_error(written: str, said: str) -> None:
    assert_problem(f"{HEAD}{ONE_ROUTE}defaults: {{forwarded: {{via: «{written}}}}}\n", said)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1024", "`1024` is a size without a unit — write 1024KiB"),
        ("1_024", "`1_024` is a size without a unit — write 1_024KiB"),
        ("1mb", "`1mb` is no size — write 512B, 32KiB or 1MiB"),
        ("0.1B", "`0.1B` is no whole number of bytes — write whole bytes"),
        ("1025GiB", "`1025GiB` is out of range — write 0B to 1024GiB"),
    ],
)
def test_a_size_that_is_none_is_an_error(written: str, said: str) -> None:
    assert_problem(
        with_route(f"backend_refs: legacy, limits: {{max_body_bytes: «{written}}}"), said
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "250ms"), (60, "1m"), (90, "90s"), (3600, "1h"), (86_400, "1d"), (0, "0s")],
)
def test_a_duration_is_shown_in_its_largest_whole_unit(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(1, "1B"), (1024, "1KiB"), (1_048_577, "1048577B"), (0, "0B")]
)
def test_a_size_is_shown_in_its_largest_whole_unit(count: int, shown: str) -> None:
    assert format_size(count) == shown
