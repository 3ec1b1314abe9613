"""The scenarios that a contestant runs alone, freshly started: memory, workers, and a long run."""

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from tests.bench import holding
from tests.bench.contestants import Contestant, facade_argv, nginx_argv
from tests.bench.loading import CONNECTIONS, Ground, leave_out, tell
from tests.bench.processes import FAILURES, Up, loaded, up
from tests.bench.report import Figures, Scenario, medians
from tests.support import procfs

IDLE_CLIENTS = 1_000
STALLED_CLIENTS = 4
WORKERS_CLIENTS = 400
_SETTLED_BYTES = 64 * 1024
_SETTLED_S = 1.0
_SETTLE_S = 10.0
_WORKERS_ROUNDS = 3
"""For each round of the other scenarios: enough to see a difference of a tenth."""
_TENTHS = 10
TWO_FACADES = "2 facades"

Held = Callable[[int, int], contextlib.AbstractContextManager[None]]


def idle(chosen: Sequence[Contestant], ground: Ground) -> Scenario:
    """The memory of an idle keep-alive client."""
    results: Scenario = {}
    for each in _own(chosen, "idle"):
        try:
            grown = _grown_by(each, holding.idle, IDLE_CLIENTS, ground)
        except FAILURES as failure:
            leave_out(each.name, "idle", failure, ground)
            continue
        results[each.name] = {"kb_each": grown / IDLE_CLIENTS / 1000}
        tell(f"idle: {each.name}: {results[each.name]['kb_each']:.1f} KB a client")
    return results


def memory(chosen: Sequence[Contestant], ground: Ground) -> Scenario:
    """The memory of stalled bodies, in each direction."""
    results: Scenario = {}
    for each in _own(chosen, "memory"):
        try:
            down = _grown_by(each, holding.stalled_downloads, STALLED_CLIENTS, ground)
            back = _grown_by(each, holding.stalled_uploads, STALLED_CLIENTS, ground)
        except FAILURES as failure:
            leave_out(each.name, "memory", failure, ground)
            continue
        results[each.name] = {"downloads_mb": down / 1e6, "uploads_mb": back / 1e6}
        tell(f"memory: {each.name}: downloads {down / 1e6:.1f} MB, uploads {back / 1e6:.1f} MB")
    return results


def _own(chosen: Sequence[Contestant], scenario: str) -> list[Contestant]:
    return [each for each in chosen if each.takes_part(scenario)]


def _grown_by(contestant: Contestant, held: Held, count: int, ground: Ground) -> float:
    """Bytes that a warm contestant grows by while `count` clients are held."""
    with up(contestant, ground.origin, ground.cores.contestants) as each:
        loaded(each, "get", CONNECTIONS["get"], 0.5, ground.cores.load)
        before = _settled(each.pid)
        with held(each.port, count):
            return _settled(each.pid) - before


def _settled(pid: int) -> int:
    """Resident bytes, once they have stayed the same for a while."""
    until = time.monotonic() + _SETTLE_S
    last, since = procfs.resident_bytes(pid), time.monotonic()
    while time.monotonic() < until and time.monotonic() - since < _SETTLED_S:
        time.sleep(0.1)
        now = procfs.resident_bytes(pid)
        if abs(now - last) > _SETTLED_BYTES:
            last, since = now, time.monotonic()
    return procfs.resident_bytes(pid)


def workers(facade: Contestant, nginx: Contestant | None, ground: Ground) -> Scenario:
    """One worker beside two, on one core: the distribution of connections, and the cost of a request.

    Two processes on a core always cost more: two facades of one worker each are measured beside them, and nginx.
    """
    sides = _sides(facade, "", partial(facade_argv, tier="fast"))
    sides[TWO_FACADES] = sides["1 worker"] * 2
    if nginx is not None:
        sides |= _sides(nginx, "nginx, ", nginx_argv)
    results: dict[str, list[Figures]] = {name: [] for name in sides}
    with contextlib.ExitStack() as stack:
        started = {
            name: [
                stack.enter_context(up(each, ground.origin, ground.cores.contestants))
                for each in those
            ]
            for name, those in sides.items()
        }
        most = ground.rounds * _WORKERS_ROUNDS
        for turn in range(1, most + 1):
            for name, those in started.items():
                figures = _loaded_at_once(those, 2 if name.endswith("2 workers") else 1, ground)
                tell(
                    f"workers: round {turn}/{most}: {name}: {figures['cpu_us']:,.0f} µs, "
                    f"spread {figures['spread']:.0f} %"
                )
                results[name].append(figures)
    return _compared({name: medians(rounds) for name, rounds in results.items()})


def _sides(
    contestant: Contestant, of: str, argv: Callable[..., list[str]]
) -> dict[str, list[Contestant]]:
    return {
        f"{of}{name}": [replace(contestant, argv=partial(argv, workers=count))]
        for name, count in (("1 worker", 1), ("2 workers", 2))
    }


def _loaded_at_once(those: Sequence[Up], count: int, ground: Ground) -> Figures:
    """Run a load for each worker at the same time. Returns the cost of their requests. Each has `count` workers.

    How many connections a load has, and how many loads there are, is part of the cost: it is the same for two
    workers and for two facades.
    """

    def one(each: Up) -> Figures:
        return loaded(each, "get", CONNECTIONS["get"], ground.seconds, ground.cores.load)

    before = sum(procfs.cpu_s(each.pid) for each in those)
    with ThreadPoolExecutor(len(those) * count) as at_once:
        rounds = list(at_once.map(one, [each for each in those for _ in range(count)]))
    used_s = sum(procfs.cpu_s(each.pid) for each in those) - before
    return together(rounds, used_s) | {"spread": max(_spread_of(each, count) for each in those)}


def together(rounds: Sequence[Figures], used_s: float) -> Figures:
    """The figures of loads that ran at the same time and took `used_s` of CPU, as if they had been one."""
    requests = sum(each["requests"] for each in rounds)
    per_second = sum(each["per_second"] for each in rounds)
    return {"requests": requests, "per_second": per_second, "cpu_us": used_s / requests * 1e6}


def _compared(results: Scenario) -> Scenario:
    for of in ("", "nginx, "):
        if both := results.get(f"{of}2 workers"):
            both["cpu_of_one"] = both["cpu_us"] / results[f"{of}1 worker"]["cpu_us"]
    if both := results.get(TWO_FACADES):
        both["cpu_of_one"] = both["cpu_us"] / results["1 worker"]["cpu_us"]
    if peer := results.get("nginx, 2 workers"):
        facade = results["2 workers"]
        facade["cpu_of_one_of_nginx"] = facade["cpu_of_one"] / peer["cpu_of_one"]
    return results


def _spread_of(each: Up, count: int) -> float:
    with holding.idle(each.port, WORKERS_CLIENTS):
        return spread(list(procfs.connections_of(each.pid, each.port).values()), count)


def spread(counts: Sequence[int], count: int) -> float:
    """How far the connections of one of `count` workers are from an equal share, in per cent of it."""
    equal = sum(counts) / count
    held = [*counts, *[0] * (count - len(counts))]
    return max(abs(each - equal) for each in held) / equal * 100 if equal else 100.0


def soak(facade: Contestant, requests: int, ground: Ground) -> Scenario:
    """`requests` in a row, and the growth of the facade's memory after the first fifth."""
    with up(facade, ground.origin, ground.cores.contestants) as each:
        sizes = []
        for tenth in range(1, _TENTHS + 1):
            loaded(
                *(each, "unlike", CONNECTIONS["unlike"], 3600, ground.cores.load),
                at_most=requests // _TENTHS,
            )
            sizes.append(procfs.resident_bytes(each.pid) / 1e6)
            tell(f"soak: {requests // _TENTHS * tenth:,} requests: {sizes[-1]:.1f} MB")
    figures = {f"mb_{number}": size for number, size in enumerate(sizes, 1)}
    return {"facade": {"requests": requests, "grown_mb": sizes[-1] - sizes[1], **figures}}
