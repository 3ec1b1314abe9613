"""Runs contestants through scenarios, and measures the cost of a request.

A whole run - every contestant that is installed, every scenario - also writes docs/performance.md and
docs/performance.svg. A run of a part, or with --no-docs, only prints.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec

from tests.bench import alone, bars, chart, loading, matching, page, processes, reload
from tests.bench.contestants import CONTESTANTS, Contestant
from tests.bench.loading import Ground, tell
from tests.bench.report import LATENCIES, LOADED, Report, Scenario

SCENARIOS = (*LOADED, *LATENCIES, "idle", "workers", "memory")
_DOCS = processes.ROOT / "docs"
_SOAKED = 1_000_000


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    names = [each.name for each in CONTESTANTS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "contestants", nargs="*", metavar="NAME", help=f"all, or some of {', '.join(names)}"
    )
    parser.add_argument(
        "--scenario", metavar="LIST", help=f"all, or some of {','.join(SCENARIOS)}, with commas"
    )
    parser.add_argument("--rounds", type=_positive, default=5, help="interleaved rounds")
    parser.add_argument("--seconds", type=_seconds, default=3.0, help="of each round")
    parser.add_argument(
        "--soak",
        type=_positive,
        nargs="?",
        const=_SOAKED,
        metavar="REQUESTS",
        help=f"also send the facade so many requests ({_SOAKED:,} if not given), and watch its memory",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures down")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/ as it is")
    parser.add_argument(
        "--docs-from", type=Path, metavar="FILE", help="run nothing: write docs/ from such figures"
    )
    options = parser.parse_args(argv)
    options.scenario = options.scenario.split(",") if options.scenario else list(SCENARIOS)
    for what, given, known in (
        ("contestant", options.contestants, names),
        ("scenario", options.scenario, SCENARIOS),
    ):
        if unknown := sorted(set(given) - set(known)):
            parser.error(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")
    return options


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0.1 to 3600")
    return number


def main(argv: Sequence[str] | None = None) -> None:
    options = parsed(argv)
    if options.docs_from:
        try:
            report = msgspec.json.decode(options.docs_from.read_bytes(), type=Report)
        except (OSError, msgspec.DecodeError) as error:
            raise SystemExit(
                f"--docs-from {options.docs_from}: {error}; give what --json wrote"
            ) from None
        write_docs(report)
        return
    whole = not options.contestants and set(options.scenario) == set(SCENARIOS)
    report = Report(options.rounds, options.seconds, machine())
    chosen = _taking_part(options.contestants, report)
    run(chosen, options.scenario, options.soak or 0, report)
    if whole:
        tell("finding the route, swapping the table")
        report.matching, report.reload = matching.lines(), reload.lines()
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    print("\n".join([*page.tables(report.scenarios), *bars.lines(report.scenarios)]))
    if whole and not options.no_docs:
        if failed := [kind for kind in LOADED if not report.scenarios[kind]]:
            raise SystemExit(f"the facade itself failed in {', '.join(failed)}: docs/ is as it was")
        write_docs(report)


def _taking_part(wanted: Sequence[str], report: Report) -> list[Contestant]:
    """The wanted contestants that are installed. The others are named in the report."""
    chosen = []
    for each in CONTESTANTS:
        if wanted and each.name not in wanted:
            continue
        if missing := each.missing():
            report.left_out.append(f"Left out: {missing}.")
            tell(report.left_out[-1])
        else:
            chosen.append(each)
            if version_text := each.version():
                report.versions[each.name] = version_text
    if not chosen:
        raise SystemExit("no contestant takes part")
    return chosen


def run(
    chosen: Sequence[Contestant], scenarios: Sequence[str], soaked: int, report: Report
) -> None:
    """Fill in the report's scenarios."""
    cores = processes.Cores.own()
    if cores.contestants == cores.load:
        tell("there is only one core: load and contestants share it, and no figure compares")
    with processes.origin(cores.load) as port:
        ground = Ground(cores, port, report.rounds, report.seconds, report.left_out)
        if set(scenarios) & {*LOADED, *LATENCIES}:
            _all_at_once(chosen, scenarios, ground, report)
        if "idle" in scenarios:
            report.scenarios["idle"] = alone.idle(chosen, ground)
        if "memory" in scenarios:
            report.scenarios["memory"] = alone.memory(chosen, ground)
        facade = next((each for each in chosen if each.name == "facade"), None)
        if facade is None:
            tell("without the facade: no latency, workers or soak")
            return
        if "workers" in scenarios:
            nginx = next((each for each in chosen if each.name == "nginx"), None)
            _kept("workers", partial(alone.workers, facade, nginx), ground, report)
        if soaked:
            _kept("soak", partial(alone.soak, facade, soaked), ground, report)


def _all_at_once(
    chosen: Sequence[Contestant], scenarios: Sequence[str], ground: Ground, report: Report
) -> None:
    with loading.all_up(chosen, ground) as contestants:
        for kind in LOADED:
            if kind in scenarios:
                report.scenarios[kind] = loading.under_load(kind, contestants, ground)
        if not any(each.name == "facade" for each in contestants):
            return
        for name, rate in LATENCIES.items():
            if name in scenarios:
                _kept(name, partial(loading.at_rate, contestants, rate), ground, report)


def _kept(name: str, measure: Callable[[Ground], Scenario], ground: Ground, report: Report) -> None:
    try:
        report.scenarios[name] = measure(ground)
    except processes.FAILURES as failure:
        loading.leave_out("all", name, failure, ground)


def machine() -> str:
    """The machine and the versions of the measurement."""
    models = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "httptools", "starlette")
    )
    return (
        f"{next(models, platform.machine())}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()} ({_built()}), {versions}."
    )


def _built() -> str:
    """The builder of this Python, if it is known: a build without profile-guided optimisation is a quarter slower."""
    return "the distribution's" if sys.base_prefix == "/usr" else platform.python_compiler()


def write_docs(report: Report) -> None:
    """The page and its chart."""
    (_DOCS / "performance.md").write_text(page.written(report))
    if scenario := report.scenarios.get("get"):
        drawn = chart.drawn(scenario, "What a small GET costs (logarithmic scale)")
        (_DOCS / "performance.svg").write_text(drawn)
    print("wrote docs/performance.md and docs/performance.svg", file=sys.stderr)


if __name__ == "__main__":
    main()
