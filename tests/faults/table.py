"""`python -m tests.faults.table`: print the fault table, which docs/fallback.md shows, at 200 requests a second."""

import argparse
import asyncio
import logging
import tempfile
from pathlib import Path
from typing import get_args

from proxy.server.settings import Tier
from tests.faults.fault_run import Load, Victim, run
from tests.faults.fault_table import columns, rows
from tests.faults.faulty_backend import FAULTS

LOAD = Load(rate=200, before_s=1.0, fault_s=3.0, attempt_s=1.0)


async def _print(tier: Tier) -> None:
    for victim in get_args(Victim):
        heading = columns(victim)
        print(heading)
        print("| --- " * (heading.count("|") - 1) + "|")
        for fault in FAULTS:
            with tempfile.TemporaryDirectory() as folder:
                (only,) = await run([fault], tier, victim, LOAD, Path(folder))
            print("\n".join(rows(only)), flush=True)
        print()


def main() -> None:
    """Print the tables of one tier."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.table", description=__doc__)
    parser.add_argument("--tier", choices=get_args(Tier), default="fast")
    logging.disable()
    asyncio.run(_print(parser.parse_args().tier))


if __name__ == "__main__":
    main()
