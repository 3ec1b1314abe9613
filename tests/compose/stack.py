"""The stack under test: a compose project of its own name, on free ports, in a clone."""

import contextlib
import json
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.compose.shell import StepFailed, plain_environment, run

PARTS = ("db", "app", "travelbuddy", "facade")
LIST = "/travelbuddy/flightspecials"
HOTELS = "/travelbuddy/hotelspecials"


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def _ports() -> dict[str, str]:
    return {name: _free_port() for name in ("APP_PORT", "FACADE_PORT", "DB_PORT")}


def _project() -> str:
    return f"compose-test-{uuid.uuid4().hex[:8]}"


@dataclass
class Stack:
    """What a step works with."""

    folder: Path
    project: str = field(default_factory=_project)
    ports: dict[str, str] = field(default_factory=_ports)
    files: tuple[str, ...] = ("compose.yaml",)

    @property
    def facade(self) -> str:
        return f"http://127.0.0.1:{self.ports['FACADE_PORT']}"

    @property
    def app(self) -> str:
        return f"http://127.0.0.1:{self.ports['APP_PORT']}"

    @property
    def routes(self) -> Path:
        return self.folder / "routes.yaml"

    def compose(
        self,
        *words: str,
        timeout_s: float = 120.0,
        may_fail: bool = False,
        both: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """`docker compose WORDS` in the clone."""
        files = [option for file in self.files for option in ("--file", file)]
        return run(
            ["docker", "compose", "--project-name", self.project, *files, *words],
            cwd=self.folder,
            env=plain_environment(**self.ports, **(env or {})),
            timeout_s=timeout_s,
            may_fail=may_fail,
            both=both,
        )

    def inside(self, part: str, *argv: str, may_fail: bool = False) -> str:
        """What a command in the part's container says, errors included."""
        return self.compose("exec", "-T", part, *argv, may_fail=may_fail, both=True)

    def container(self, part: str) -> str:
        """Its id, running or not; empty if there is none."""
        return self.compose("ps", "--all", "--quiet", part)

    def state(self, part: str) -> dict[str, Any]:
        """`State` and `RestartCount` of the part's container."""
        inspected = json.loads(run(["docker", "inspect", self.container(part)]))[0]
        state: dict[str, Any] = {**inspected["State"], "RestartCount": inspected["RestartCount"]}
        return state

    def health(self, part: str) -> str:
        """`healthy`, `starting`, `unhealthy`, or the state of one that does not run."""
        state = self.state(part)
        return str(state["Health"]["Status"] if state["Running"] else state["Status"])

    def wait_healthy(self, parts: Sequence[str] = PARTS, within_s: float = 60.0) -> None:
        """Raises StepFailed if one is not healthy in time."""
        for part in parts:
            wait(
                lambda part=part: self.health(part) == "healthy",  # type: ignore[misc]
                f"{part} is not healthy after {within_s:g} s",
                within_s,
            )

    def get(self, path: str, *, base: str | None = None) -> httpx.Response:
        """Through the facade, or from `base`. Raises httpx.HTTPError."""
        return httpx.get((base or self.facade) + path, timeout=10, trust_env=False)

    def comes_from_service(self) -> bool:
        """Whether the list comes from the service; the stand-in sends no X-Build."""
        response = self.get(LIST)
        if response.status_code != 200:
            raise StepFailed(f"GET {LIST} responded {response.status_code}: {response.text[:300]}")
        return "x-build" in response.headers

    def remove(self) -> None:
        """Everything of this project: containers, networks, images, volumes, data."""
        stray = run(["docker", "ps", "--all", "--quiet", "--filter", f"name={self.project}"])
        if stray:
            run(["docker", "rm", "--force", *stray.split()], may_fail=True)
        down = ("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5")
        self.compose(*down, may_fail=True)
        run(["docker", "volume", "rm", "--force", f"{self.project}-data"], may_fail=True)
        self.remove_data()

    def remove_data(self) -> None:
        """`rm -rf env/db/data`; the database's own user owns it, so that root has to."""
        env = self.folder / "env"
        if env.is_dir():
            mounted = ["--volume", f"{env}:/env", "--entrypoint", "rm", "--user", "0"]
            run(["docker", "run", "--rm", *mounted, "postgres:17", "-rf", "/env/db"])

    def leftovers(self) -> list[str]:
        """What still carries this project's name."""
        label = f"label=com.docker.compose.project={self.project}"
        listings = (
            ["container", "ls", "--all", "--filter", label, "--format", "container {{.Names}}"],
            ["network", "ls", "--filter", label, "--format", "network {{.Name}}"],
            ["volume", "ls", "--filter", f"name={self.project}", "--format", "volume {{.Name}}"],
            ["image", "ls", f"{self.project}-*", "--format", "image {{.Repository}}"],
        )
        return [line for one in listings for line in run(["docker", *one]).splitlines()]


def wait(holds: Callable[[], object], sentence: str, within_s: float = 30.0) -> float:
    """Seconds until `holds()`, looked at ten times a second; a refused connection counts as not yet.

    Raises StepFailed with the sentence if it does not hold in time.
    """
    began = time.monotonic()
    while True:
        with contextlib.suppress(httpx.TransportError):
            if holds():
                return time.monotonic() - began
        if time.monotonic() - began > within_s:
            raise StepFailed(sentence)
        time.sleep(0.1)
