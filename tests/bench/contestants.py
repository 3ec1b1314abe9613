"""Who takes part: a name, what is shown, and the command that starts it between two ports."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Argv = Callable[[int, int, Path], list[str]]


@dataclass(frozen=True)
class Contestant:
    """`argv(port, origin_port, folder)` starts it in the foreground."""

    name: str
    shown: str
    argv: Argv


def _facade(port: int, origin: int, folder: Path) -> list[str]:
    table = folder / "routes.yaml"
    table.write_text(_table(origin))
    return [
        *(sys.executable, "-m", "proxy", "serve", "--routes", str(table)),
        *("--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"),
        *("--access-log", str(folder / "access.jsonl")),
    ]


def _table(origin: int) -> str:
    """1,000 routes, the one that is asked for among them, weighted between two backends."""
    lines = [
        "version: 1",
        f"backends: {{legacy: 'http://127.0.0.1:{origin}', new: 'http://127.0.0.1:{origin}'}}",
        "routes:",
    ]
    lines += [
        f"  - {{name: r{number}, match: {{path: {{prefix: /svc{number % 50}/v1/res{number}}}}}, "
        "backend_refs: {legacy: 80, new: 20}}"
        for number in range(998)
    ]
    lines += [
        "  - {name: flightspecials, stage: canary, backend_refs: {legacy: 80, new: 20}, "
        "match: {path: {exact: /travelbuddy/flightspecials}, methods: [GET, HEAD]}}",
        "  - {name: everything-else, backend_refs: legacy}",
    ]
    return "\n".join(lines) + "\n"


def _naive(port: int, origin: int, folder: Path) -> list[str]:
    return [sys.executable, "-m", "tests.bench.naive", str(port), str(origin)]


CONTESTANTS = (
    Contestant("facade", "facade, 1,000 routes, weights, access log", _facade),
    Contestant("naive", "starlette + httpx.AsyncClient", _naive),
)
