"""docs/performance.md from a report."""

from collections.abc import Callable, Mapping
from functools import partial

from tests.bench import bars
from tests.bench.alone import IDLE_CLIENTS, STALLED_CLIENTS, WORKERS_CLIENTS
from tests.bench.contestants import CONTESTANTS
from tests.bench.loading import CONNECTIONS
from tests.bench.report import LATENCIES, LOADED, Figures, Report, Scenario, ratio
from tests.bench.wire import CLOSING

_BUSY = 0.9
_TITLES = {
    "get": "Repeated: the same small GET again and again",
    "unlike": "Unlike: another path, query, cookie, agent and client each time",
    "close": "A new connection each time, unlike",
    "post": "1 KB POST, repeated",
    "unlike-post": "1 KB POST, unlike",
    "cohort": "Unlike, behind a trusted proxy, a route that reads a cookie",
    "edited": "Unlike, behind a trusted proxy, header edits and a prefix rewrite",
    "tls-close": "A new TLS connection each time, with resumption",
    "download": "1 MB download",
    "upload": "8 MB upload",
}
_SIDE_BY_SIDE = {"get": "repeated", "unlike": "unlike", "close": "new connections"}
_SHOWN = {each.name: each.shown for each in CONTESTANTS}
Cell = Callable[[Figures], str]


def written(report: Report) -> str:
    """The whole page."""
    parts = [_head(report), *bars.lines(report.scenarios), ""]
    if "get" in report.scenarios:
        parts += ["![CPU a request and requests a second, by contestant](performance.svg)", ""]
    parts += tables(report.scenarios)
    parts += _fairness(report)
    if report.matching:
        parts += ["## Finding the route", "", *report.matching, ""]
    if report.reload:
        parts += ["## Swapping the table", "", *report.reload, ""]
    return "\n".join(parts)


def _head(report: Report) -> str:
    return (
        "# What a request costs\n\n"
        "Written by `make bench`. All contestants are up at once, each with one worker, and share one "
        f"core; those that are not measured are stopped meanwhile. Load and origin have the other core. "
        f"{report.rounds} interleaved rounds of {report.seconds:g} s, "
        "the median of each figure. The facade runs with a table of 1,000 routes, weights, metrics, access "
        "log, path policy, limits and deadlines. It knows field lines that it has read before (ADR 21): "
        "requests that are unlike cost it more than those that repeat themselves, and new connections more than old "
        "ones, so all three are measured. Small requests are asked for by wrk, where it is installed.\n\n"
        "CPU is the kernel's account of a contestant and all its processes, user and system. It is the "
        "figure to compare: requests/s of a contestant whose core was not busy are what the load could "
        f"give, not what it could take.{_noise(report.scenarios)}\n\n"
        f"{report.machine}\n\n"
        "## The bars\n"
    )


def _noise(scenarios: Mapping[str, Scenario]) -> str:
    others = [figures["others"] for kind in LOADED for figures in scenarios.get(kind, {}).values()]
    if not others:
        return ""
    return (
        " Whoever else was on the machine took up to "
        f"{max(others):.0%} of the contestants' core meanwhile."
    )


def tables(scenarios: Mapping[str, Scenario]) -> list[str]:
    """A section for each scenario that was run."""
    lines: list[str] = [*_side_by_side(scenarios), ""]
    for kind in LOADED:
        if kind in scenarios:
            told = f"{CONNECTIONS[kind]} {'new' if kind in CLOSING else 'keep-alive'} connections."
            lines += [f"## {_TITLES[kind]}", "", told, "", *_loaded(scenarios[kind]), ""]
    sections: dict[str, Callable[[Scenario], list[str]]] = {
        **{name: partial(_latency, rate) for name, rate in LATENCIES.items()},
        "idle": _idle,
        "memory": _memory,
        "workers": _workers,
        "soak": _soak,
    }
    for name, section in sections.items():
        if name in scenarios:
            lines += [*section(scenarios[name]), ""]
    return lines


def _side_by_side(scenarios: Mapping[str, Scenario]) -> list[str]:
    """CPU of a small GET: repeated, unlike, and over new connections; each with its ratio to nginx."""
    measured = {kind: scenarios[kind] for kind in _SIDE_BY_SIDE if kind in scenarios}
    if not measured:
        return []
    names = dict.fromkeys(name for found in measured.values() for name in found)
    titles = (f"{_SIDE_BY_SIDE[kind]}, CPU µs | of nginx's" for kind in measured)
    head = ["## Side by side", "", f"| contestant | {' | '.join(titles)} |"]
    head.append(f"| --- |{' ---: | ---: |' * len(measured)}")
    return head + [
        f"| {_SHOWN[name]} | {' | '.join(_cost(found, name) for found in measured.values())} |"
        for name in names
    ]


def _cost(found: Scenario, name: str) -> str:
    if name not in found:
        return "– | –"
    of_nginx = ratio(found, name, "nginx", "cpu_us")
    return f"{found[name]['cpu_us']:,.1f} | {'–' if of_nginx is None else f'{of_nginx:.2f}'}"


def _loaded(scenario: Scenario) -> list[str]:
    lines = _columns(
        "contestant",
        *("requests/s", "of facade's", "of nginx's", "CPU µs", "of facade's", "of nginx's"),
        *("core busy", "p50 ms", "p99 ms"),
    )
    for name in sorted(scenario, key=lambda name: scenario[name]["cpu_us"]):
        figures = scenario[name]
        busy = f"{figures['busy']:.0%}" + ("" if figures["busy"] > _BUSY else " *")
        lines.append(
            f"| {_SHOWN[name]} | {figures['per_second']:,.0f} | {_ratios(scenario, name, 'per_second')} "
            f"| {figures['cpu_us']:,.1f} | {_ratios(scenario, name, 'cpu_us')} "
            f"| {busy} | {figures['p50_ms']:.2f} | {figures['p99_ms']:.2f} |"
        )
    if any(each["busy"] <= _BUSY for each in scenario.values()):
        lines += [
            "",
            "\\* its core was not busy with it: bound by the load (or, on a busy machine, by others).",
        ]
    return lines


def _ratios(scenario: Scenario, name: str, figure: str) -> str:
    ratios = (ratio(scenario, name, base, figure) for base in ("facade", "nginx"))
    return " | ".join("–" if each is None else f"{each:.2f}" for each in ratios)


def _columns(first: str, *others: str) -> list[str]:
    return [
        f"| {first} | {' | '.join(others)} |",
        f"| --- |{' ---: |' * len(others)}",
    ]


def _latency(rate: int, scenario: Scenario) -> list[str]:
    first = next(iter(scenario.values()))
    return [
        f"## Latency at {rate:,} unlike requests a second",
        "",
        "At random moments, the same for each. `no proxy` is the origin asked directly: what load and origin add by "
        f"themselves. Of {first['rounds']:.0f} rounds the {first['counted']:.0f} count from which other guests of the "
        "machine stole least. `stolen` is how much of the two cores' time that still was; the worst round is one of "
        "all.",
        "",
        *_columns(
            "contestant",
            "responses/s",
            "p50 ms",
            "p99 ms",
            "p99 of nginx's",
            "stolen",
            "p99 ms, worst round",
        ),
        *(
            f"| {_SHOWN.get(name, name)} | {each['per_second']:,.0f} | {each['p50_ms']:.3f} "
            f"| {each['p99_ms']:.3f} | {_optional(each, 'p99_of_nginx')} | {each['stolen']:.1%} "
            f"| {_optional(each, 'worst_p99_ms')} |"
            for name, each in scenario.items()
        ),
    ]


def _optional(figures: Figures, name: str) -> str:
    return f"{figures[name]:.2f}" if name in figures else "–"


def _idle(scenario: Scenario) -> list[str]:
    return [
        "## Idle clients",
        "",
        f"{IDLE_CLIENTS:,} keep-alive clients that have got one response: what resident memory grows "
        "by.",
        "",
        *_columns("contestant", "KB a client"),
        *(f"| {_SHOWN[name]} | {each['kb_each']:.1f} |" for name, each in scenario.items()),
    ]


def _memory(scenario: Scenario) -> list[str]:
    return [
        "## Stalled bodies",
        "",
        f"{STALLED_CLIENTS} clients that stop reading a download of 512 MB, and {STALLED_CLIENTS} that send "
        "512 MB to an origin that does not read: what resident memory grows by. nginx, as configured by "
        "default, writes such bodies to files.",
        "",
        *_columns("contestant", "downloads, MB", "uploads, MB"),
        *(
            f"| {_SHOWN[name]} | {each['downloads_mb']:.1f} | {each['uploads_mb']:.1f} |"
            for name, each in scenario.items()
        ),
    ]


def _workers(scenario: Scenario) -> list[str]:
    return [
        "## Workers",
        "",
        f"All on one core, small GETs, a load of {CONNECTIONS['get']} connections for each worker. "
        "Two processes on one core push each other out of its caches; two facades of one worker each, "
        "loaded at the same time, and nginx show what that costs by itself. "
        f"Spread is how far a worker is from its equal share of {WORKERS_CLIENTS} connections.",
        "",
        *_columns("with", "CPU µs", "of one worker's", "spread"),
        *(
            f"| {name} | {each['cpu_us']:,.1f} | {_optional(each, 'cpu_of_one')} | {each['spread']:.0f} % |"
            for name, each in scenario.items()
        ),
    ]


def _soak(scenario: Scenario) -> list[str]:
    figures = scenario["facade"]
    sizes = [size for name, size in figures.items() if name.startswith("mb_")]
    return [
        "## A long run",
        "",
        f"{figures['requests']:,.0f} unlike requests to the facade; resident MB after each tenth: "
        f"{', '.join(f'{size:.1f}' for size in sizes)}.",
    ]


def _fairness(report: Report) -> list[str]:
    versions = "; ".join(f"{_SHOWN[name]}: {version}" for name, version in report.versions.items())
    return [
        "## How the others are set up",
        "",
        "Keep-alive towards the origin (60 s, nginx's default, is what the facade is told, too), one worker, "
        "forwarding headers, and an access log of their usual "
        "kind: nginx `combined`, buffered; haproxy `httplog` to standard output; Envoy's default format to a "
        "file, which it buffers; Caddy's JSON to a file. aiohttp, starlette + httpx and fastapi-proxy-lib "
        "write none, which favours them. Buffering is as shipped: nginx takes a whole upload before it "
        "sends it on, through a file where it is large, so a second nginx that buffers nothing stands "
        "beside it for long bodies. None of them has more than one route. "
        "The configurations are in `tests/bench/configs.py`.",
        "",
        f"{versions}.",
        "",
        *report.left_out,
        *([""] if report.left_out else []),
    ]
