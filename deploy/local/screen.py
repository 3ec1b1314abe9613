"""The output for the operator: a line for each step with the time so far, a table, four things to try.

Colour only on a terminal and not with NO_COLOR (rich sees to both). After the terminal has gone
(SIGHUP, a closed pipe), nothing is printed and the stack continues.
"""

import os
import shlex
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from deploy.local.cluster import Cluster
from deploy.local.postgres import Endpoint
from deploy.local.samples import DATABASE
from deploy.local.settings import HOST, Settings


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """Raise, where rich would end the process (and the whole stack with it)."""
        raise BrokenPipeError


class Screen:
    """Prints lines. The clock starts with the constructor."""

    def __init__(self) -> None:
        self._console = _Terminal()
        self._began = time.monotonic()
        self._gone = False

    def say(self, text: str) -> None:
        """One step, with the seconds since the start."""
        self._print((f"{time.monotonic() - self._began:7.1f} s  ", "dim"), (text, ""))

    def line(self, text: str = "", style: str = "") -> None:
        """One line in one style."""
        self._print((text, style))

    def lines(self, texts: Iterable[str], style: str = "") -> None:
        """Several lines in one style."""
        for text in texts:
            self.line(text, style)

    def table(self, rows: Iterable[tuple[str, str]]) -> None:
        """Two columns: name and address."""
        self.line()
        for what, where in rows:
            self._print((f"  {what:<38} ", ""), (where, "bold cyan"))
        self.line()

    def _print(self, *pieces: tuple[str, str]) -> None:
        """A line without wrapping, so that addresses can be copied."""
        if self._gone:
            return
        try:
            self._console.print(Text.assemble(*pieces), soft_wrap=True)
        except OSError:
            self._gone = True

    def close(self) -> None:
        """Discard the unwritten output of a closed terminal: Python's last flush would fail on it."""
        if self._gone:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._console.file.fileno())
            os.close(nowhere)


def addresses(settings: Settings, cluster: Cluster, server: Endpoint) -> list[tuple[str, str]]:
    """The table that is shown once all is up."""
    facade = f"http://{HOST}:{settings.facade_port}"
    password = shlex.quote(str(cluster.lock.password_file))
    return [
        ("the front end, through the facade", f"{facade}/travelbuddy/app/"),
        ("the page, through the facade", f"{facade}/travelbuddy/"),
        ("flight specials, through the facade", f"{facade}/travelbuddy/flightspecials"),
        ("the new service itself", f"http://{HOST}:{settings.service_port}/flightspecials/"),
        ("the monolith itself", f"http://{HOST}:{settings.legacy_port}/travelbuddy/"),
        ("the dashboard of the migration", f"http://{HOST}:{settings.admin_port}/"),
        ("the facade's routes", f"http://{HOST}:{settings.admin_port}/routes"),
        (
            "the service's database",
            f"PGPASSWORD=$(cat {password}) "
            f"psql -h {server.host} -p {server.port} -U {server.user} {DATABASE}",
        ),
    ]


def things_to_try(settings: Settings, control_port: int, here: Path) -> list[str]:
    """Four steps for the first five minutes."""
    routes = os.path.relpath(settings.routes, here)
    return [
        f"  1. Open http://{HOST}:{settings.facade_port}/travelbuddy/app/ in a browser.",
        f"  2. In {routes}, change `stage: live` of the route `flightspecials` to `stage: legacy`:",
        "     the flight panel comes from the monolith. `live` brings it back.",
        f"  3. Break {routes} and look at http://{HOST}:{settings.admin_port}/readyz:",
        "     the last good table serves on.",
        "  4. Take the monolith's database away, and give it back with `-d up`:",
        f"     curl -X PUT -d away http://{HOST}:{control_port}/database",
        "",
        "Ctrl-C stops everything.",
    ]
