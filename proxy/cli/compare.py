"""`facade compare`: recorded requests of a route, sent to both backends, and their responses compared."""

import argparse
import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from proxy.cli.files import read_routes, unreadable
from proxy.cli.log_files import read_logs
from proxy.cli.output import Screen, add_json, err, out, print_json, safe
from proxy.cli.parity_report import print_report
from proxy.comparison.cases import CaseStore, RecordedCases
from proxy.comparison.comparer import Comparer
from proxy.comparison.report import ParityReport, parity_report
from proxy.config.load import load
from proxy.control.replay.har import read_har, read_urls
from proxy.control.replay.log_reader import LogReader
from proxy.control.replay.request_pairs import PairCollector, RequestPair, route_to_compare
from proxy.control.table_file import snapshot_of
from proxy.errors import FacadeError
from proxy.model import CompareRules, Mirror, Route

_MAX_FILE_BYTES = 256 * 1024 * 1024
_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)/s")
_URL = re.compile(
    r"https?://[A-Za-z0-9._-]+(?::[0-9]{1,5})?/?|https?://\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?/?"
)
_INTERVAL_S = {True: 0.2, False: 10.0}


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Send recorded requests of a route to both of its backends, and compare the responses by "
        "`mirror.compare` of the table. Only GET and HEAD are sent, without cookies and credentials."
    )
    command.epilog = (
        "Exit status: 0 equal enough, 1 the share of equal responses is below --min-parity, "
        "2 nothing could be compared."
    )
    command.add_argument("route", metavar="ROUTE")
    command.add_argument("--routes", default="routes.yaml", metavar="FILE", help="the route table")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--traffic", nargs="+", metavar="FILE", help="access logs, as for `plan`")
    source.add_argument("--har", metavar="FILE", help="a recording of a browser")
    source.add_argument("--urls", metavar="FILE", help="a path or URL in each line")
    for side, what in (("left", "incumbent"), ("right", "newcomer")):
        command.add_argument(
            f"--{side}", required=True, type=_url, metavar="URL", help=f"the {what}'s address"
        )
    command.add_argument(
        "--rate", default=20.0, type=_rate, metavar="20/s", help="requests a second"
    )
    command.add_argument(
        "--min-parity",
        default=0.999,
        type=_share,
        metavar="0.999",
        help="the least share of equal responses",
    )
    command.add_argument(
        "--limit",
        default=1000,
        type=_count,
        metavar="1000",
        help="the most requests that are sent; each different one once",
    )
    command.add_argument(
        "--timeout", default=10.0, type=_seconds, metavar="10s", help="for each response"
    )
    command.add_argument("--cases", metavar="FILE", help="write what `facade export-cases` reads")
    add_json(command)
    command.set_defaults(run=run)


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{safe(text)!r} is no address: write one like http://host:8080"
        )
    return text.rstrip("/")


def _rate(text: str) -> float:
    rate = _RATE.fullmatch(text)
    if rate is None or not float(rate[1]):
        raise argparse.ArgumentTypeError(f"{safe(text)!r} is no rate: write one like 20/s")
    return float(rate[1])


def _share(text: str) -> float:
    if not re.fullmatch(r"0(?:\.[0-9]{1,9})?|1(?:\.0{1,9})?", text):
        raise argparse.ArgumentTypeError(f"{safe(text)!r} is no share: write one like 0.999")
    return float(text)


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise argparse.ArgumentTypeError(
            f"{safe(text)!r} is no number of requests: write one like 1000"
        )
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[1-9][0-9]{0,3}s", text):
        raise argparse.ArgumentTypeError(f"{safe(text)!r} is no duration: write one like 10s")
    return float(text[:-1])


def run(arguments: argparse.Namespace) -> int:
    """Compare. Returns 1 if the share of equal responses is too small."""
    text = read_routes(arguments.routes)
    snapshot = snapshot_of(load(text, arguments.routes), text, {}, time.time())
    route = route_to_compare(snapshot, arguments.route)
    mirror = route.mirror or Mirror()
    comparer = Comparer(mirror.compare or CompareRules())
    collector = PairCollector(snapshot, route, comparer.redaction, arguments.limit)
    _collect(arguments, collector)
    if not collector.pairs:
        raise FacadeError(
            f"facade: no request to compare: {_counted(collector) or 'there is none'}"
        )
    result = _compared(arguments, collector.pairs, comparer, mirror)
    if arguments.json:
        print_json(msgspec.to_builtins(result.report))
    else:
        print_report(out(), result.report)
    left_out = _counted(collector)
    if left_out:
        err().note(f"not sent: {left_out}")
    if arguments.cases:
        _write_cases(arguments.cases, route, comparer.rules, result)
    return _status(result.report, arguments.min_parity)


def _status(report: ParityReport, min_parity: float) -> int:
    if not report.compared:
        err().line("facade: no response could be compared: see what was left out", "red")
        return 2
    if report.share < min_parity:
        err().line(
            f"facade: {report.share:.6g} of the responses are equal, less than {min_parity:g}",
            "red",
        )
        return 1
    return 0


def _collect(arguments: argparse.Namespace, collector: PairCollector) -> None:
    if arguments.traffic:
        read_logs(LogReader(collector.take_logged), arguments.traffic)
        return
    file = arguments.har or arguments.urls
    text = _read(file)
    for sent in (read_har if arguments.har else read_urls)(text, file):
        collector.take_sent(sent)


def _read(file: str) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            text = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise unreadable(file, error, "name a file with requests") from None
    if len(text) > _MAX_FILE_BYTES:
        raise FacadeError(f"facade: {safe(file)} is larger than {_MAX_FILE_BYTES:,} bytes")
    return text


class _Result(Struct, frozen=True):
    report: ParityReport
    store: CaseStore


def _compared(
    arguments: argparse.Namespace, pairs: list[RequestPair], comparer: Comparer, mirror: Mirror
) -> _Result:
    from proxy.cli.compare_run import CompareRun, RunSettings  # httpx takes 100 ms to import.

    rules = comparer.rules
    settings = RunSettings(
        arguments.left,
        arguments.right,
        arguments.rate,
        arguments.timeout,
        mirror.max_body_bytes,
        rules.noise_rate,
    )
    progress = Progress(err(), len(pairs))
    run = CompareRun(settings, comparer, CaseStore(rules), progress.show)
    try:
        asyncio.run(run.run(pairs))
    finally:
        progress.end()
    report = parity_report(arguments.route, rules, run.parity.counts, time.time())
    return _Result(report, run.cases)


class Progress:
    """How many pairs are done: one line that changes on a terminal, else a line every ten seconds."""

    def __init__(
        self, screen: Screen, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._screen = screen
        self._total = total
        self._clock = clock
        self._interval_s = _INTERVAL_S[screen.is_terminal]
        self._next = clock() + self._interval_s
        self._shown = False

    def show(self, done: int) -> None:
        """Show the progress, if it is time."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self._interval_s
        text = f"{done:,} of {self._total:,} requests compared"
        if self._screen.is_terminal:
            self._screen.write(f"\r\x1b[K{text}")
            self._shown = True
        else:
            self._screen.line(text)

    def end(self) -> None:
        """Clear the line on the terminal."""
        if self._shown:
            self._screen.write("\r\x1b[K")


def _counted(collector: PairCollector) -> str:
    parts = {
        "of other routes": collector.elsewhere,
        "other than GET and HEAD": collector.unsafe,
        "with a secret in the URL": collector.secret,
        "beyond --limit": collector.left_out,
    }
    return ", ".join(f"{number:,} {what}" for what, number in parts.items() if number)


def _write_cases(file: str, route: Route, rules: CompareRules, result: _Result) -> None:
    quiet = [each.path for each in result.report.differences if not each.counts]
    recorded = RecordedCases(route.name, rules, quiet, result.store.cases)
    try:
        Path(file).write_bytes(msgspec.json.encode(recorded) + b"\n")
    except OSError as error:
        raise unreadable(file, error, "name a file that can be written") from None
