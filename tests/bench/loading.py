"""The scenarios that load: all contestants up at once, rounds interleaved, medians."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench.contestants import Contestant
from tests.bench.processes import FAILURES, Cores, Up, loaded, quiet, told_by, up
from tests.bench.report import Figures, Scenario, medians

CONNECTIONS = {"get": 32, "varied": 32, "post": 32, "download": 8, "upload": 8}
_PACED_CONNECTIONS = 256
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
    """As many requests of a kind as a contestant takes."""
    contestants = [each for each in contestants if each.contestant.takes_part(kind)]
    found: dict[str, list[Figures]] = {each.name: [] for each in contestants}
    for turn in range(ground.rounds + 1):
        for each in [each for each in contestants if each.name in found]:
            seconds = ground.seconds if turn else _WARM_UP_S
            try:
                told = loaded(each, kind, CONNECTIONS[kind], seconds, ground.cores.load)
            except FAILURES as failure:
                leave_out(each.name, kind, failure, ground)
                del found[each.name]
                continue
            which = f"round {turn}/{ground.rounds}" if turn else "warming up"
            tell(
                f"{kind}: {which}: {each.name}: {told['per_second']:,.0f}/s, {told['cpu_us']:,.0f} µs"
            )
            if turn:
                found[each.name].append(told)
    return {name: medians(rounds) for name, rounds in found.items()}


def leave_out(name: str, of: str, failure: Exception, ground: Ground) -> None:
    """Say who does not take part in what, and why; the page says it, too."""
    ground.left_out.append(f"Left out of {of}: {name}, because it failed: {failure}.")
    tell(ground.left_out[-1])


def at_half_load(contestants: Sequence[Up], saturating: float | None, ground: Ground) -> Scenario:
    """Latency at half of what saturates the facade: of it, of nginx, and of the origin without a proxy.

    `saturating` is in requests a second; found out by one round if it is not given.
    """
    facade = next(each for each in contestants if each.name == "facade")
    rate = (saturating or _saturating_rate(facade, ground)) / 2
    asked = [(each.name, each.port) for each in contestants if each.name in ("facade", "nginx")]
    asked.append((_DIRECT, ground.origin))
    found: dict[str, list[Figures]] = {name: [] for name, _ in asked}
    for turn in range(1, ground.rounds + 1):
        for name, port in asked:
            told = _paced(port, rate, ground)
            tell(
                f"latency: round {turn}/{ground.rounds}: {name} at {rate:,.0f}/s: "
                f"p50 {told['p50_ms']:.2f} ms, p99 {told['p99_ms']:.2f} ms"
            )
            found[name].append(told)
    scenario = {name: medians(rounds) for name, rounds in found.items()}
    if "nginx" in scenario:
        base = scenario["nginx"]["p99_ms"]
        for figures in scenario.values():
            figures["p99_of_nginx"] = figures["p99_ms"] / base
    return scenario


def _paced(port: int, rate: float, ground: Ground) -> Figures:
    quiet(ground.cores.contestants)
    arguments: list[object] = [port, rate, ground.seconds, _PACED_CONNECTIONS]
    told = told_by("paced", arguments, ground.cores.load, ground.seconds + 60)
    return {**told, "asked_per_second": rate}


def _saturating_rate(facade: Up, ground: Ground) -> float:
    told = loaded(facade, "get", CONNECTIONS["get"], ground.seconds, ground.cores.load)
    return told["per_second"]
