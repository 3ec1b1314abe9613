"""Small requests by wrk, where it is installed: a load in C leaves the load's core to the origin.

Every response has to be a 200. What wrk cannot do (long bodies, pauses) is done by `load`.
"""

import re
from pathlib import Path

from tests.bench.contestants import binary
from tests.bench.report import Figures, LoadFailed
from tests.bench.wire import CLOSING, TARGETS, UNLIKE, body_bytes

KINDS = ("get", "post", "unlike", "unlike-post", "cohort", "edited", "close")
SPREAD = "/svc6/v1/res56/item"
"""Requests for this are spread over all routes of the facade's table."""
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_DONE = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m),")
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)", re.MULTILINE)
_FAILED = re.compile(r"(Non-2xx.*|Socket errors:.*[1-9].*)")


def takes(kind: str) -> bool:
    """Whether wrk is there, and asks for such things."""
    return kind in KINDS and binary("wrk") != ""


def script(kind: str) -> str:
    """Lua that makes the requests of a kind."""
    target = TARGETS[kind].decode()
    lines = ['wrk.headers["Host"] = "bench.example"', 'wrk.headers["Accept"] = "*/*"']
    if length := body_bytes(kind):
        lines += ['wrk.method = "POST"', f'wrk.body = string.rep("x", {length})']
        lines.append('wrk.headers["Content-Type"] = "application/json"')
    if kind in CLOSING:
        lines.append('wrk.headers["Connection"] = "close"')
    if kind in UNLIKE:
        lines += [
            'wrk.headers["Accept-Language"] = "en,ko;q=0.8"',
            "local number = 0",
            "function request()",
            "  number = number + 1",
            "  local headers = wrk.headers",
            '  headers["User-Agent"] = "Mozilla/5.0 (X11) Chrome/" .. (number % 50)',
            '  headers["Cookie"] = "TB_UID=" .. number',
            '  headers["X-Forwarded-For"] = "203.0.113." .. (number % 250)',
            f'  local path = "{target}" .. number .. "?page=" .. (number % 9)',
        ]
        if target == SPREAD:
            lines.append(
                '  path = path:gsub("^/svc%d+/v1/res%d+", "/svc" .. (number % 50) .. "/v1/res" .. (number % 998))'
            )
        lines += ["  return wrk.format(nil, path, headers, wrk.body)", "end"]
    return "\n".join([*lines, ""])


def argv(port: int, kind: str, connections: int, seconds: float, folder: Path) -> list[str]:
    """The command, with its script in `folder`: wrk reads that once for itself and once for its thread.

    It counts whole seconds.
    """
    file = folder / f"{kind}.lua"
    file.write_text(script(kind))
    return [
        *(binary("wrk"), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"),
        *("-s", str(file), f"http://127.0.0.1:{port}{TARGETS[kind].decode()}"),
    ]


def read(output: str) -> Figures:
    """The figures in wrk's words. Raises LoadFailed."""
    if failed := _FAILED.search(output):
        raise LoadFailed(failed[0])
    done = _DONE.search(output)
    waits = {
        each: float(value) * _UNITS_MS[unit] for each, value, unit in _PERCENTILE.findall(output)
    }
    if done is None or len(waits) != 2:
        raise LoadFailed(f"wrk output: {output.strip()[-200:]}")
    took_s = float(done[2]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[done[3]]
    requests = float(done[1])
    return {
        "requests": requests,
        "per_second": requests / took_s,
        "took_s": took_s,
        "p50_ms": waits["50"],
        "p99_ms": waits["99"],
    }
