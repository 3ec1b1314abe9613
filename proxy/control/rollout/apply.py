"""`--apply CMD`: the new table goes to a command, where the facade reads another file than the runner writes."""

import asyncio
import shlex
from collections.abc import Iterable

from proxy.analysis.figures import FiguresReport
from proxy.control.history.entries import Entry
from proxy.errors import EditError

_TIMEOUT_S = 60.0
_MAX_SHOWN = 300


async def apply(command: str, table: bytes) -> None:
    """Run the command with the table as its standard input. Raises EditError, at the latest after a minute."""
    try:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        raise EditError(f"`{command}` cannot be run: {error}") from None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, message = await process.communicate(table)
    except TimeoutError:
        raise EditError(f"`{command}` did not end within {_TIMEOUT_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        shown = message.decode("utf-8", "replace").strip()[:_MAX_SHOWN]
        raise EditError(f"`{command}` ended with {process.returncode}: {shown}")


def needs_apply(reports: Iterable[FiguresReport], entries: Iterable[Entry], version: str) -> bool:
    """Whether the facade serves an older table of this history: a runner was killed before it gave the last one on.

    Raises EditError if it serves one that the history does not have.
    """
    known = {entry.version_after for entry in entries}
    served = {each for report in reports for each in report.tables}
    for each in sorted(served - known - {version}):
        raise EditError(
            f"the facade serves version {each} of the table, which the history of this file does not have: "
            "bring the file up to date first"
        )
    return served != {version}
