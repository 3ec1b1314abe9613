"""`facade init`: a first table out of recorded traffic of the monolith."""

import argparse
import re
from pathlib import Path
from typing import Any

from proxy.cli.files import AccessLogReader, unreadable
from proxy.cli.output import Screen, add_json, err, out, print_json, safe
from proxy.config.addresses import read_url
from proxy.config.load import load
from proxy.control.replay.first_table import System, first_table
from proxy.control.replay.recorded_requests import LINE_FORMAT
from proxy.control.replay.survey import Seam, Survey
from proxy.errors import FacadeError

_DEFAULT_INCUMBENT = "legacy=http://127.0.0.1:8082"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Make a first table out of an access log of `facade serve`: a route for each seam "
        "of the monolith, by path prefix, with what it carries as a comment. Everything stays with "
        f"the monolith. In the log, {LINE_FORMAT}; `status` is used where it is there."
    )
    command.add_argument(
        "--from", dest="log", required=True, metavar="FILE", help="the log; - is standard input"
    )
    command.add_argument(
        "--incumbent",
        metavar="NAME=URL",
        help=f"the monolith ({_DEFAULT_INCUMBENT})",
    )
    command.add_argument(
        "--newcomer", metavar="NAME=URL", help="a service that is to take a seam; it gets weight 0"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the table there; an existing file is left alone",
    )
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Survey a log, and print or write a table."""
    incumbent = _system(arguments.incumbent or _DEFAULT_INCUMBENT, "--incumbent")
    newcomer = _system(arguments.newcomer, "--newcomer") if arguments.newcomer else None
    if newcomer is not None and newcomer.name == incumbent.name:
        raise FacadeError(f"--newcomer {newcomer.name}: the incumbent has this name already")
    if arguments.output and Path(arguments.output).exists():
        raise _exists(arguments.output)
    survey = Survey()
    for line in AccessLogReader(arguments.log):
        if line.whole:
            survey.feed(line.text)
        else:
            survey.feed_cut()
    if not survey.requests:
        raise FacadeError(f"facade: {safe(arguments.log)} holds no request to go by: {LINE_FORMAT}")
    table = first_table(survey, incumbent, newcomer)
    load(table.encode(), "the table that was made")
    if arguments.output:
        _write(arguments.output, table)
    if arguments.json:
        print_json(_report(survey, table))
    elif not arguments.output:
        out().write(table)
    else:
        _print(out(), survey, arguments.output)
    _print_notes(err(), survey, default_url=arguments.incumbent is None)
    return 0


def _system(argument: str, option: str) -> System:
    name, equals, url = argument.partition("=")
    if not (equals and _NAME.fullmatch(name)):
        raise FacadeError(f"{option} {argument!r}: write NAME=URL, like {_DEFAULT_INCUMBENT}")
    try:
        return System(name, read_url(url))
    except ValueError as error:
        raise FacadeError(f"{option} {argument!r}: {error}") from None


def _exists(file: str) -> FacadeError:
    return FacadeError(f"facade: {safe(file)} is there already: name a new file, or move it away")


def _write(file: str, table: str) -> None:
    try:
        with Path(file).open("x", encoding="utf-8") as new_file:
            new_file.write(table)
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        raise unreadable(file, error, "name a file that can be written") from None


def _report(survey: Survey, table: str) -> dict[str, Any]:
    return {
        "lines": survey.lines,
        "requests": survey.requests,
        "not_found": survey.not_found,
        "hosts": dict(survey.hosts.most_common()),
        "seams": [_seam(seam, survey.requests) for seam in survey.seams()],
        "unusable_lines": survey.bad_lines,
        "first_unusable": [{"line": line, "why": why} for line, why in survey.first_bad],
        "table": table,
    }


def _seam(seam: Seam, requests: int) -> dict[str, Any]:
    methods: dict[str, int] = {}
    for shape in seam.shapes:
        methods[shape.method] = methods.get(shape.method, 0) + shape.requests
    return {
        "prefix": "/" + "/".join(seam.path),
        "requests": seam.requests,
        "share": round(100 * seam.requests / requests, 2),
        "methods": methods,
        "reads": sum(shape.requests for shape in seam.of(reads=True)),
        "writes": sum(shape.requests for shape in seam.of(reads=False)),
        "server_errors": seam.errors,
    }


def _print(screen: Screen, survey: Survey, file: str) -> None:
    rows = []
    for seam in survey.seams():
        row = _seam(seam, survey.requests)
        methods = ", ".join(f"{method} {count:,}" for method, count in row["methods"].items())
        errors = f"{100 * seam.errors / seam.requests:.1f} %"
        rows.append((row["prefix"], f"{seam.requests:,}", f"{row['share']:.2f} %", methods, errors))
    screen.table(("seam", "requests", "share", "methods", "5xx"), rows)
    screen.line()
    screen.line(
        f"{safe(file)} is made, out of {survey.requests:,} requests. `facade check` reads it."
    )


def _print_notes(screen: Screen, survey: Survey, *, default_url: bool) -> None:
    if default_url:
        screen.note(f"the monolith is said to be {_DEFAULT_INCUMBENT}: put its own address in")
    if survey.refused_unread:
        screen.note(f"refused before they were read: {survey.refused_unread:,} requests")
    if survey.bad_lines:
        screen.note(f"lines of no use: {survey.bad_lines:,}; {LINE_FORMAT}")
        for number, why in survey.first_bad:
            screen.line(f"  line {number:,}: {safe(why)}")
