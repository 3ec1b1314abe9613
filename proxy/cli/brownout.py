"""`facade brownout`: retire a route for some minutes of each hour, so that its last callers notice."""

import argparse
import signal
import threading
import time

from proxy.cli.edit_options import DEFAULT_ROUTES, routes_path, user
from proxy.cli.output import out, safe
from proxy.config.units import Duration
from proxy.control.brownout import Brownout, run_brownouts
from proxy.control.changes import sentences
from proxy.control.edit_transaction import EditResult
from proxy.control.text_diff import is_one_line
from proxy.errors import EditError

_MAX_TIMES = 168
_STOPPED = 130


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Retire a route for some minutes of each hour, and bring it back in between. Ctrl-C and SIGTERM "
        "bring it back; a runner that was killed is ended by the next one, or by `facade rollback ROUTE`."
    )
    command.add_argument("route", metavar="ROUTE")
    command.add_argument("--routes", default=DEFAULT_ROUTES, metavar="FILE", help="the route table")
    command.add_argument(
        "--for", dest="for_s", type=_duration, default=300.0, metavar="DURATION", help="5m"
    )
    command.add_argument(
        "--every", dest="every_s", type=_duration, default=3600.0, metavar="DURATION", help="1h"
    )
    command.add_argument("--times", type=_times, default=1, metavar="N", help="how often (1)")
    command.add_argument("--reason", required=True, metavar="TEXT", help="why, for the history")
    command.add_argument("--who", metavar="NAME", help="who, instead of the user of this system")
    command.set_defaults(run=run)


def _duration(text: str) -> float:
    try:
        return Duration("1s", "24h").read(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{safe(text)!r} is no duration: write one like 5m"
        ) from None


def _times(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _MAX_TIMES):
        raise argparse.ArgumentTypeError(f"write a number from 1 to {_MAX_TIMES}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the brownouts. Returns 130 if a signal ended them early."""
    who = user() if arguments.who is None else arguments.who
    if not (is_one_line(arguments.reason) and is_one_line(who)):
        raise EditError("--reason and --who take one line of at most 500 characters")
    if arguments.every_s <= arguments.for_s:
        raise EditError("--every has to be longer than --for: the route serves in between")
    plan = Brownout(
        routes_path(arguments),
        arguments.route,
        who,
        arguments.reason,
        arguments.for_s,
        arguments.every_s,
        arguments.times,
    )
    stop = threading.Event()
    before = {each: signal.signal(each, lambda *_: stop.set()) for each in _SIGNALS}
    try:
        return _STOPPED if run_brownouts(plan, stop.wait, _report) else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _report(_event: str, result: EditResult) -> None:
    what = (
        "; ".join(sentences(result.changes)) if result.changed else "somebody else moved the route"
    )
    out().line(f"{time.strftime('%H:%M:%S')}  {safe(what)}")
