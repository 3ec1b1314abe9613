"""The goals of the facade, and whether they are met. Printed beside the figures; no test asserts them."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.report import LATENCIES, Scenario, ratio


@dataclass(frozen=True)
class Relative:
    """`name` against `peer`: costs `at_most` so many times as much, or is `at_least` so many times as fast."""

    words: str
    scenario: str
    name: str
    peer: str
    at_most: float = 0.0
    at_least: float = 0.0


@dataclass(frozen=True)
class Absolute:
    """A figure of `name` that is at most so much."""

    words: str
    scenario: str
    name: str
    figure: str
    at_most: float
    unit: str = ""


@dataclass(frozen=True)
class Verdict:
    """The figures for a goal, by each way to measure it: (`2.10 × `, met or not)."""

    words: str
    by_cpu: tuple[str, bool] | None
    by_rate: tuple[str, bool] | None


Bar = Relative | Absolute


def _beside(words: str, scenario: str, at_most: float, stretch: float) -> list[Relative]:
    """CPU of the facade beside nginx's; and beside that of an nginx that logs nothing."""
    return [
        Relative(
            f"{words}: at most {at_most:g} × nginx's", scenario, "facade", "nginx", at_most=at_most
        ),
        Relative(f"– stretch: at most {stretch:g} ×", scenario, "facade", "nginx", at_most=stretch),
        Relative(
            f"– at most {at_most:g} × that of nginx without its access log",
            *(scenario, "facade", "nginx-unlogged"),
            at_most=at_most,
        ),
    ]


BARS: tuple[Bar, ...] = (
    *_beside("repeated GETs", "get", 1.6, 1.45),
    *_beside("unlike GETs", "unlike", 2.0, 1.75),
    *_beside("a new connection each time", "close", 1.8, 1.6),
    Relative(
        "– the same over TLS with resumption: at most 1.5 × nginx's",
        *("tls-close", "facade-tls", "nginx-tls"),
        at_most=1.5,
    ),
    Relative("repeated POSTs of 1 KB: at most 2 × nginx's", "post", "facade", "nginx", at_most=2),
    Relative(
        "unlike POSTs of 1 KB: at most 2.2 × nginx's",
        *("unlike-post", "facade", "nginx"),
        at_most=2.2,
    ),
    Relative(
        "unlike, behind a trusted proxy, a route that reads a cookie: at most 2.3 × nginx's",
        *("cohort", "facade-reading", "nginx"),
        at_most=2.3,
    ),
    Relative(
        "unlike, behind a trusted proxy, header edits and a prefix rewrite: at most 2.3 × nginx's",
        *("edited", "facade-reading", "nginx"),
        at_most=2.3,
    ),
    Relative("at least 1.5 × Envoy's requests/s", "get", "facade", "envoy", at_least=1.5),
    Relative(
        "at least 4.5 × an aiohttp proxy's requests/s", "get", "facade", "aiohttp", at_least=4.5
    ),
    Relative(
        "at least 60 × naive starlette + httpx's requests/s", "get", "facade", "naive", at_least=60
    ),
    Relative(
        "ASGI tier, unlike GETs: at most 4 × nginx's",
        *("unlike", "facade-asgi", "nginx"),
        at_most=4,
    ),
    Relative(
        "1 MB download: CPU at most 1.2 × nginx's", "download", "facade", "nginx", at_most=1.2
    ),
    Relative(
        "– the same, beside an nginx that buffers nothing",
        *("download", "facade", "nginx-unbuffered"),
        at_most=1.2,
    ),
    Relative("8 MB upload: CPU at most 1.2 × nginx's", "upload", "facade", "nginx", at_most=1.2),
    Relative(
        "– the same, beside an nginx that buffers nothing",
        *("upload", "facade", "nginx-unbuffered"),
        at_most=1.2,
    ),
    Absolute("an idle client: at most 6 KB", "idle", "facade", "kb_each", 6, " KB"),
    *(
        Absolute(
            f"p99 of unlike GETs at {rate:,}/s: at most 2 × nginx's",
            *(name, "facade", "p99_of_nginx", 2, " ×"),
        )
        for name, rate in LATENCIES.items()
    ),
    Absolute("2 workers: spread within 20 %", "workers", "2 workers", "spread", 20, " %"),
    Absolute(
        "2 workers: CPU a request at most 10 % more than with one",
        "workers",
        "2 workers",
        "cpu_of_one",
        1.1,
        " ×",
    ),
    Relative(
        "– the same, beside two facades of one worker each on that core",
        *("workers", "2 workers", "2 facades"),
        at_most=1.1,
    ),
    Absolute(
        "– the same, beside what nginx's second worker costs on that core",
        "workers",
        "2 workers",
        "cpu_of_one_of_nginx",
        1.1,
        " ×",
    ),
    Absolute(
        "four stalled downloads: at most 10 MB", "memory", "facade", "downloads_mb", 10, " MB"
    ),
    Absolute("four stalled uploads: at most 10 MB", "memory", "facade", "uploads_mb", 10, " MB"),
    Absolute("10⁶ unlike requests: at most 2 MB more", "soak", "facade", "grown_mb", 2, " MB"),
)


def judged(scenarios: Mapping[str, Scenario]) -> list[Verdict]:
    """A verdict for each bar; without figures where something was not measured."""
    return [_verdict(bar, scenarios.get(bar.scenario, {})) for bar in BARS]


def _verdict(bar: Bar, found: Scenario) -> Verdict:
    if isinstance(bar, Absolute):
        value = found.get(bar.name, {}).get(bar.figure)
        measured = None if value is None else (f"{value:.2f}{bar.unit}", value <= bar.at_most)
        return Verdict(bar.words, measured, None)
    cheaper = ratio(found, bar.name, bar.peer, "cpu_us")
    faster = ratio(found, bar.name, bar.peer, "per_second")
    if not cheaper or not faster:
        return Verdict(bar.words, None, None)
    if bar.at_most:
        return Verdict(bar.words, _at_most(cheaper, bar.at_most), _at_most(1 / faster, bar.at_most))
    return Verdict(bar.words, _at_least(1 / cheaper, bar.at_least), _at_least(faster, bar.at_least))


def _at_most(value: float, limit: float) -> tuple[str, bool]:
    return f"{value:.2f} ×", value <= limit


def _at_least(value: float, limit: float) -> tuple[str, bool]:
    return f"{value:.2f} ×", value >= limit


def lines(scenarios: Mapping[str, Scenario]) -> list[str]:
    """The verdicts as a table of Markdown."""
    return [
        "| bar | measured (of CPU, where it compares) | | the same by requests/s | |",
        "| --- | ---: | --- | ---: | --- |",
        *(
            f"| {each.words} | {_cells(each.by_cpu)} | {_cells(each.by_rate)} |"
            for each in judged(scenarios)
        ),
    ]


def _cells(found: tuple[str, bool] | None) -> str:
    if found is None:
        return "– | "
    value, met = found
    return f"{value} | {'met' if met else '**not met**'}"
