"""`make up`: the whole strangler fig from one command, without containers.

Exit 0 after Ctrl-C, 1 when a part does not start, 2 when a setting, a port or the machine prevents
it. Linux and macOS.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local import settings as settings_of
from deploy.local import stack
from deploy.local.cluster import Lock, locked, opened
from deploy.local.errors import LocalError, PartFailed
from deploy.local.postgres import free_port
from deploy.local.samples import keep_fresh, try_renew
from deploy.local.screen import Screen, addresses, things_to_try
from deploy.local.settings import Settings
from deploy.local.supervisor import supervise


def main() -> int:
    """Run the stack until a signal stops it; returns the exit status."""
    screen = Screen()
    try:
        with _signals_interrupt():
            return _up(screen, os.environ, Path.cwd())
    except PartFailed as error:
        screen.line(str(error), "bold red")
        screen.lines((f"    {line}" for line in error.last_lines), "dim")
        return 1
    except LocalError as error:
        screen.lines(str(error).splitlines(), "bold red")
        return 2
    except KeyboardInterrupt:  # before anything was started
        return 0
    finally:
        screen.close()


def _up(screen: Screen, environ: Mapping[str, str], here: Path) -> int:
    settings = settings_of.read(environ, here, Path.home)
    with locked(settings.data / "postgres") as lock:
        settings_of.check_ports(settings)  # a second run reports the first one, and not its ports
        return _with_data(screen, settings, lock, environ, here)


def _with_data(
    screen: Screen, settings: Settings, lock: Lock, environ: Mapping[str, str], here: Path
) -> int:
    with opened(lock) as cluster:
        made = "made" if cluster.fresh else "found"
        screen.say(f"PostgreSQL {cluster.binaries.major}, data {made} in {settings.data}")
        server = stack.server_of(cluster, free_port())
        control_port = free_port()
        parts = stack.parts(settings, cluster, server, control_port, environ)

        async def up() -> None:
            await try_renew(server)  # samples may have expired while the stack was down
            screen.table(addresses(settings, cluster, server))
            screen.lines(things_to_try(settings, control_port, here))
            await keep_fresh(server, screen.say)

        asyncio.run(supervise(parts, settings.data / "logs", screen.say, up))
    return 0


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end the preparations as Ctrl-C does; the supervisor takes over later."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is interrupt:  # else the supervisor has handled it
                signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
