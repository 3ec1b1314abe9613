"""What tests of rollouts share: tables, an observer that remembers, and replicas that send what a test sets."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec

from proxy.analysis.figures import Figures, FiguresReport
from proxy.control.history.entries import Entry, version_of
from proxy.control.history.file import load_history
from proxy.control.rollout.admins import Admins
from proxy.control.rollout.events import Event, Progress
from proxy.control.rollout.runner import Runner, RunOptions
from proxy.control.rollout_mark import RolloutMark
from tests.support.origin import origin
from tests.support.wire import Wire

_TABLE = """\
version: 1
backends:
  legacy: LEGACY
  new: NEW
routes:
  - name: r
    stage: shadow
    backend_refs: {legacy: 100, new: 0} # the newcomer comes last
    mirror: {percent: 0}
    rollout:
      steps: [STEPS]
      analysis:
        interval: 1s
        min_requests: 20
        metrics:
          - {name: success_rate, success_condition: "new >= 0.5"}
"""


def table(steps: str, legacy: str = "http://127.0.0.1:1", new: str = "http://127.0.0.1:2") -> str:
    return _TABLE.replace("STEPS", steps).replace("LEGACY", legacy).replace("NEW", new)


class TableFile:
    """The file of a table."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text

    @property
    def text(self) -> str:
        return self.path.read_text()

    @text.setter
    def text(self, text: str) -> None:
        self.path.write_text(text)

    @property
    def version(self) -> str:
        return version_of(self.path.read_bytes())

    @property
    def marks(self) -> list[tuple[str, int]]:
        return marks(self.path)


class Remembered:
    """An observer."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.texts: list[str] = []
        self.warnings: list[str] = []
        self.waited: list[Progress] = []

    def event(self, event: Event, text: str) -> None:
        self.events.append(event)
        self.texts.append(text)

    def progress(self, progress: Progress) -> None:
        self.waited.append(progress)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]


async def run(
    routes: TableFile,
    seen: Remembered,
    *admins: str,
    token: str = "",
    command: str = "",
    restart: bool = False,
) -> int:
    """Run the rollout of route `r` to its end."""
    options = RunOptions(routes.path, "r", "test", restart, False, command)
    async with Admins(admins, token) as asked:
        return await Runner(options, asked, seen).run()


def report(
    routes: TableFile, figures: Mapping[str, Figures], replica: str = "a", breaker: str = "closed"
) -> bytes:
    """What the admin listener of a facade with this table says."""
    version = routes.version
    breakers = {"legacy": "closed", "new": breaker}
    return msgspec.json.encode(
        FiguresReport(replica, "host", 1, (version,), breakers, {"r": dict(figures)})
    )


class Replica:
    """An admin listener that sends the figures that a test sets."""

    def __init__(self, routes: TableFile, name: str = "a") -> None:
        self.routes = routes
        self.name = name
        self.new = Figures()
        self.legacy = Figures()
        self.breaker = "closed"
        self.status = 200
        self.grows: Figures = Figures()
        """Added to both sides at each request."""
        self.parity = b""
        self.asked = 0
        self.url = ""

    async def serve(self, wire: Wire) -> None:
        """The script of its origin."""
        while True:
            request = await wire.request()
            self.asked += 1
            is_parity = request.head.target.startswith(b"/parity")
            body = self.parity if is_parity else self._figures()
            status = 404 if is_parity and not body else self.status
            wire.send(
                f"HTTP/1.1 {status} OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
            )
            await wire.flush()

    def _figures(self) -> bytes:
        both = {"new": self.new, "legacy": self.legacy}
        self.new, self.legacy = self.new.plus(self.grows), self.legacy.plus(self.grows)
        return report(self.routes, both, self.name, self.breaker)


@contextlib.asynccontextmanager
async def replica(routes: TableFile, name: str = "a") -> AsyncIterator[Replica]:
    made = Replica(routes, name)
    async with origin(made.serve) as server:
        made.url = server.url
        yield made


def marks(routes: Path) -> list[tuple[str, int]]:
    """The events of rollouts in the history, with the steps that they lead to."""
    return [
        (entry.rollout.event, entry.rollout.step)
        for entry in load_history(routes).entries
        if isinstance(entry.rollout, RolloutMark)
    ]


def weights(entries: tuple[Entry, ...]) -> list[float]:
    """The newcomer's weights that the route has had, in order."""
    return [
        change.after.weights["new"]
        for entry in entries
        for change in entry.changes.routes
        if change.after is not None
    ]
