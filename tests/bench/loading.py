"""The scenarios with load: all contestants are up, one at a time runs; rounds interleaved; medians."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.bench.contestants import Contestant
from tests.bench.processes import FAILURES, Cores, Up, loaded, others_stopped, printed_by, quiet, up
from tests.bench.report import LOADED, Figures, Scenario, medians
from tests.support import procfs

CONNECTIONS = dict.fromkeys(LOADED, 32) | {"tls-close": 8, "download": 8, "upload": 8}
_PACED_CONNECTIONS = 256
_LATENCY_ROUNDS = 8
"""For each round of the other scenarios, and half as long, so that a pause of the machine spoils few rounds. Half of
them do not count."""
_WARM_UP_S = 0.5
_DIRECT = "no proxy"


@dataclass(frozen=True)
class Ground:
    """Where and how long everything runs."""

    cores: Cores
    origin: int
    rounds: int
    seconds: float
    left_out: list[str]
    """Sentences about those that fail are added here: one that fails does not end the run of the others."""


def tell(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def all_up(chosen: Sequence[Contestant], ground: Ground) -> Iterator[list[Up]]:
    """All contestants at once, on their one core."""
    with contextlib.ExitStack() as stack:
        started = []
        for each in chosen:
            try:
                entered = stack.enter_context(up(each, ground.origin, ground.cores.contestants))
            except FAILURES as failure:
                leave_out(each.name, "the loads", failure, ground)
                continue
            started.append(entered)
            tell(f"{each.name} is up")
        yield started


def under_load(kind: str, contestants: Sequence[Up], ground: Ground) -> Scenario:
    """The highest rate of a kind of request that a contestant reaches."""
    taking_part = [each for each in contestants if each.contestant.takes_part(kind)]
    results: dict[str, list[Figures]] = {each.name: [] for each in taking_part}
    for turn in range(ground.rounds + 1):
        for each in [each for each in taking_part if each.name in results]:
            seconds = ground.seconds if turn else _WARM_UP_S
            try:
                with others_stopped(contestants, each.name):
                    figures = loaded(each, kind, CONNECTIONS[kind], seconds, ground.cores.load)
            except FAILURES as failure:
                leave_out(each.name, kind, failure, ground)
                del results[each.name]
                continue
            which = f"round {turn}/{ground.rounds}" if turn else "warming up"
            tell(
                f"{kind}: {which}: {each.name}: {figures['per_second']:,.0f}/s, {figures['cpu_us']:,.0f} µs"
            )
            if turn:
                results[each.name].append(figures)
    return {name: medians(rounds) for name, rounds in results.items()}


def leave_out(name: str, of: str, failure: Exception, ground: Ground) -> None:
    """Report which contestants do not take part, and why; the page has it, too."""
    ground.left_out.append(f"Left out of {of}: {name}, because it failed: {failure}.")
    tell(ground.left_out[-1])


def at_rate(contestants: Sequence[Up], rate: float, ground: Ground) -> Scenario:
    """Latency of unlike requests at a rate: of the facade, of nginx, and of the origin without a proxy.

    A shared machine pauses for milliseconds while another guest has the core. Such pauses would determine the 99th
    percentile, so only the quieter half of the rounds counts.
    """
    ground = replace(ground, seconds=ground.seconds / 2)
    asked = [(each.name, each.port) for each in contestants if each.name in ("facade", "nginx")]
    asked.append((_DIRECT, ground.origin))
    rounds: list[Scenario] = []
    most = ground.rounds * _LATENCY_ROUNDS
    for turn in range(1, most + 1):
        rounds.append({})
        for name, port in asked:
            with others_stopped(contestants, name):
                rounds[-1][name] = _paced(port, rate, ground)
        told = (f"{name} {each['p99_ms']:.2f} ms" for name, each in rounds[-1].items())
        tell(f"latency: round {turn}/{most} at {rate:,.0f}/s: p99 {', '.join(told)}")
    counted = quieter_half(rounds)
    scenario = {name: medians([each[name] for each in counted]) for name, _ in asked}
    for name, figures in scenario.items():
        worst = max(each[name]["p99_ms"] for each in rounds)
        figures |= {"rounds": len(rounds), "counted": len(counted), "worst_p99_ms": worst}
        if base := scenario.get("nginx"):
            figures["p99_of_nginx"] = figures["p99_ms"] / base["p99_ms"]
    return scenario


def quieter_half(rounds: Sequence[Scenario]) -> list[Scenario]:
    """Those from which least was stolen, by the worst part of each; half of them, rounded up."""
    by_theft = sorted(rounds, key=lambda each: max(figures["stolen"] for figures in each.values()))
    return by_theft[: (len(rounds) + 1) // 2]


def _paced(port: int, rate: float, ground: Ground) -> Figures:
    cores = {ground.cores.contestants, ground.cores.load}
    quiet(ground.cores.contestants)
    arguments: list[object] = [port, rate, ground.seconds, _PACED_CONNECTIONS]
    stolen, began = _stolen_s(cores), time.monotonic()
    figures = printed_by("paced", arguments, ground.cores.load, ground.seconds + 60)
    share = (_stolen_s(cores) - stolen) / (time.monotonic() - began) / len(cores)
    return {**figures, "asked_per_second": rate, "stolen": share}


def _stolen_s(cores: Iterable[int]) -> float:
    return sum(procfs.core_stolen_s(core) for core in cores)
