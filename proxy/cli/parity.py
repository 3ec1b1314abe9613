"""`facade parity`: how many responses of the newcomer are equal to those of the incumbent, from running facades."""

import argparse
import time

import msgspec

from proxy.cli.admin_client import DEFAULT_URL, add_token_file, address, get_from, not_an_admin
from proxy.cli.output import add_json, out, print_json, safe
from proxy.cli.parity_report import print_report
from proxy.comparison.replicas import RouteCounts, merged_report
from proxy.comparison.report import ParityReport
from proxy.errors import FacadeError


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Show the parity of a route with `mirror.compare`: the share of equal responses with its "
        "bounds, and the differences, the most frequent one first. docs/parity.md explains them."
    )
    command.add_argument("route", metavar="ROUTE")
    command.add_argument(
        "--admin",
        action="append",
        type=address,
        metavar="URL",
        help=f"the admin listener of a facade ({DEFAULT_URL}); several are added up",
    )
    add_token_file(command)
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report of one route, over all facades that are named."""
    urls: list[str] = list(dict.fromkeys(arguments.admin or [DEFAULT_URL]))
    report = _report(urls[0], arguments) if len(urls) == 1 else _report_of_all(urls, arguments)
    if arguments.json:
        print_json(msgspec.to_builtins(report))
    else:
        print_report(out(), report)
    return 0


def _report(url: str, arguments: argparse.Namespace) -> ParityReport:
    parameters = [("route", arguments.route)]
    text = get_from(url, "/parity", parameters, arguments.admin_token_file)
    try:
        answer = msgspec.json.decode(text, type=ParityReport | list[ParityReport])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise not_an_admin(url) from None
    reports = answer if isinstance(answer, list) else [answer]
    found = [report for report in reports if report.route == arguments.route]
    if not found:
        raise FacadeError(
            f"facade: the facade at {url} compares no responses of a route {arguments.route!r}: "
            "name one with `mirror.compare`"
        )
    return found[0]


def _report_of_all(urls: list[str], arguments: argparse.Namespace) -> ParityReport:
    counts = [_counts(url, arguments) for url in urls]
    for url, each in zip(urls, counts, strict=True):
        if each.setup != counts[0].setup:
            raise FacadeError(
                f"facade: the facades at {safe(urls[0])} and {safe(url)} compare the route by other rules, or "
                "between other backends: their tables have to be the same"
            )
    return merged_report(counts, time.time())


def _counts(url: str, arguments: argparse.Namespace) -> RouteCounts:
    parameters = [("route", arguments.route)]
    text = get_from(url, "/parity/counts", parameters, arguments.admin_token_file)
    try:
        return msgspec.json.decode(text, type=RouteCounts)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise not_an_admin(url) from None
