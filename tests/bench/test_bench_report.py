"""Ratios, bars, the page and the chart, from figures that are given; and the command line."""

import re
from xml.etree import ElementTree

import pytest

from tests.bench import __main__ as command
from tests.bench import bars, chart, page, wrk
from tests.bench.alone import TWO_FACADES, spread, together
from tests.bench.contestants import CONTESTANTS, first_version
from tests.bench.loading import quieter_half
from tests.bench.report import Figures, LoadFailed, Report, Scenario, medians, ratio


def _figures(cpu_us: float, per_second: float, busy: float = 0.99) -> Figures:
    return {
        "cpu_us": cpu_us,
        "per_second": per_second,
        "busy": busy,
        "others": 0.02,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
    }


_GET = {
    "facade": _figures(25, 40_000),
    "facade-asgi": _figures(50, 20_000),
    "nginx": _figures(10, 60_000, busy=0.6),
    "envoy": _figures(40, 25_000),
    "naive": _figures(2_000, 500),
}
_LATENCY = {"asked_per_second": 20_000.0, "stolen": 0.01, "rounds": 12.0, "counted": 6.0}


def _verdict(words: str) -> bars.Verdict:
    return next(each for each in bars.judged({"get": _GET}) if words in each.words)


def test_the_median_is_taken_of_each_figure_by_itself() -> None:
    rounds = [{"a": 1.0, "b": 9.0}, {"a": 5.0, "b": 1.0}, {"a": 3.0, "b": 2.0}]
    assert medians(rounds) == {"a": 3.0, "b": 2.0}


def test_a_ratio_needs_both_sides() -> None:
    assert ratio(_GET, "facade", "nginx", "cpu_us") == 2.5
    assert ratio(_GET, "facade", "haproxy", "cpu_us") is None
    assert ratio(_GET, "haproxy", "nginx", "cpu_us") is None


@pytest.mark.parametrize(
    ("words", "by_cpu", "by_rate"),
    [
        pytest.param(
            "repeated GETs", ("2.50 ×", False), ("1.50 ×", True), id="cost: CPU up, rate down"
        ),
        pytest.param("1.5 × Envoy", ("1.60 ×", True), ("1.60 ×", True), id="speed: the other way"),
        pytest.param("60 × naive", ("80.00 ×", True), ("80.00 ×", True), id="far away"),
        pytest.param("aiohttp", None, None, id="nothing is said of who was not there"),
    ],
)
def test_a_bar_is_judged_by_cpu_and_by_rate(
    words: str, by_cpu: tuple[str, bool] | None, by_rate: tuple[str, bool] | None
) -> None:
    verdict = _verdict(words)
    assert (verdict.by_cpu, verdict.by_rate) == (by_cpu, by_rate)


def test_a_cost_right_at_its_limit_meets_the_bar() -> None:
    post = {"facade": _figures(20, 10_000), "nginx": _figures(10, 20_000)}
    verdict = next(each for each in bars.judged({"post": post}) if "repeated POST" in each.words)
    assert verdict.by_cpu == verdict.by_rate == ("2.00 ×", True)


@pytest.mark.parametrize(("kilobytes", "met"), [(5.9, True), (6.0, True), (6.1, False)])
def test_an_absolute_bar_is_met_up_to_its_limit(kilobytes: float, met: bool) -> None:
    found = bars.judged({"idle": {"facade": {"kb_each": kilobytes}}})
    verdict = next(each for each in found if "idle" in each.words)
    assert verdict.by_cpu == (f"{kilobytes:.2f} KB", met)


@pytest.mark.parametrize(
    ("counts", "workers", "expected"),
    [
        ([200, 200], 2, 0),
        ([240, 160], 2, 20),
        ([400], 2, 100),
        ([200, 200], 3, 100),
        ([], 2, 100),
        ([7], 1, 0),
    ],
)
def test_the_spread_is_the_largest_distance_from_an_equal_share(
    counts: list[int], workers: int, expected: float
) -> None:
    assert spread(counts, workers) == pytest.approx(expected)


def test_the_page_has_a_row_for_each_contestant_and_marks_what_the_load_bounds() -> None:
    report = Report(5, 3, "A machine.", {"get": _GET}, {"nginx": "nginx 1.22.1"}, ["Left out: x."])
    written = page.written(report)
    rows = [line for line in written.splitlines() if line.startswith("| nginx |")]
    assert rows == [
        "| nginx | 10.0 | 1.00 |",
        "| nginx | 60,000 | 1.50 | 1.00 | 10.0 | 0.40 | 1.00 | 60% * | 1.00 | 2.00 |",
    ]
    assert "| facade, fast tier | 40,000 | 1.00 | 0.67 | 25.0 | 1.00 | 2.50 | 99% |" in written
    for told in ("A machine.", "nginx: nginx 1.22.1", "Left out: x.", "up to 2% of"):
        assert told in written
    assert "## Idle clients" not in written


def test_each_table_of_the_page_has_as_many_cells_in_each_row() -> None:
    scenarios = {
        "get": _GET,
        "idle": {"facade": {"kb_each": 3.0}},
        "latency-2000": {"facade": {**_GET["facade"], **_LATENCY}},
        "memory": {"facade": {"downloads_mb": 1.0, "uploads_mb": 2.0}},
        "workers": {"2 workers": {"cpu_us": 2.0, "spread": 3.0, "cpu_of_one": 1.0}},
        "soak": {"facade": {"requests": 1e6, "grown_mb": 0.1, "mb_1": 60.0}},
    }
    blocks = re.findall(
        r"(?:^\|.*\n)+", page.written(Report(1, 1, scenarios=scenarios)), re.MULTILINE
    )
    assert len(blocks) == 7
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_the_rounds_from_which_least_was_stolen_count() -> None:
    stolen = {
        "a": (0.1, 0.0),
        "b": (0.0, 0.0),
        "c": (0.0, 0.4),
        "d": (0.02, 0.01),
        "e": (0.03, 0.0),
    }
    rounds: list[Scenario] = [
        {"facade": {"p99_ms": ord(name), "stolen": mine}, "nginx": {"p99_ms": 1, "stolen": other}}
        for name, (mine, other) in stolen.items()
    ]
    counted = quieter_half(rounds)
    assert [chr(int(each["facade"]["p99_ms"])) for each in counted] == ["b", "d", "e"]


def test_the_chart_is_well_formed_and_within_its_frame() -> None:
    with_one_dead = {**_GET, "caddy": _figures(0, 0)}
    svg = ElementTree.fromstring(chart.drawn(with_one_dead, "a < b & c"))
    space = "{http://www.w3.org/2000/svg}"
    drawn = list(svg.iter(f"{space}rect"))
    assert len(drawn) == 2 * len(_GET)
    widths = [float(each.get("width", "")) for each in drawn]
    assert min(widths) > 0
    assert (
        max(float(each.get("x", "")) + width for each, width in zip(drawn, widths, strict=True))
        < 800
    )
    texts = [each.text for each in svg.iter(f"{space}text")]
    assert {"a < b & c", "nginx", "facade, fast tier", "40,000", "2,000"} <= set(texts)
    # Less is better: the cheapest is on top, and its bar the shortest.
    assert widths[: len(_GET)] == sorted(widths[: len(_GET)])


def test_loads_that_ran_at_the_same_time_cost_what_all_their_requests_cost() -> None:
    one, other = {"requests": 300.0, "per_second": 30.0}, {"requests": 100.0, "per_second": 10.0}
    assert together([one, other], 0.008) == {"requests": 400.0, "per_second": 40.0, "cpu_us": 20.0}


def test_contestants_have_names_of_their_own() -> None:
    names = [each.name for each in CONTESTANTS]
    assert len(set(names)) == len(names)
    compared = {getattr(bar, "peer", bar.name) for bar in bars.BARS}
    assert compared - {"2 workers", TWO_FACADES} <= set(names)


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("nginx version: nginx/1.22.1", "1.22.1"),
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", "2.6.12-1+deb12u4"),
        ("v2.8.4 h1:abc", "v2.8.4"),
        ("", "of unknown version"),
    ],
)
def test_a_version_is_found_in_what_a_program_says(told: str, version: str) -> None:
    assert first_version(told) == version


@pytest.mark.parametrize(
    "argv",
    [["apache"], ["--scenario", "get,put"], ["--rounds", "0"], ["--seconds", "0"], ["--soak", "x"]],
)
def test_a_wrong_command_line_ends_with_2(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.parsed(argv)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_what_wrk_says_is_read() -> None:
    said = """Running 2s test @ http://127.0.0.1:1/a
  Latency Distribution
     50%    1.22ms
     75%    1.50ms
     99%  803.00us
  25898 requests in 2.01s, 18.48MB read
Requests/sec:  12884.57
"""
    figures = wrk.read(said)
    assert (figures["requests"], figures["took_s"], figures["p50_ms"]) == (25898, 2.01, 1.22)
    assert figures["p99_ms"] == pytest.approx(0.803)


@pytest.mark.parametrize(
    "said",
    [
        "  1 requests in 1.00s, 1B read\n  Non-2xx or 3xx responses: 1\n",
        "  1 requests in 1.00s, 1B read\n  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        "unable to connect to 127.0.0.1:1 Connection refused",
    ],
)
def test_a_load_that_failed_is_not_a_figure(said: str) -> None:
    with pytest.raises(LoadFailed):
        wrk.read(said)
