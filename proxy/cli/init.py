"""`facade init`: a first table out of recorded traffic of the monolith."""

import argparse
import re
from pathlib import Path
from typing import Any

from proxy.cli.files import unreadable
from proxy.cli.log_files import (
    add_log_files,
    formats_read,
    log_members,
    no_request,
    print_log_notes,
    read_logs,
)
from proxy.cli.output import Screen, add_json, err, out, print_json, safe
from proxy.config.addresses import read_url
from proxy.config.load import load
from proxy.control.replay.first_table import System, example_of, first_table, template_of
from proxy.control.replay.log_reader import KNOWN_FORMATS, LogReader
from proxy.control.replay.survey import Seam, Survey
from proxy.errors import FacadeError

_DEFAULT_INCUMBENT = "legacy=http://127.0.0.1:8082"
_SHAPES_IN_JSON = 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Make a first table out of access logs of the monolith: routes for the reads and writes of "
        "each seam, by path prefix or template, with their traffic as comments. Everything stays with "
        f"the monolith. The format is recognised: {KNOWN_FORMATS}."
    )
    add_log_files(command, "--from")
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
    """Survey logs, and print or write a table."""
    incumbent = _system(arguments.incumbent or _DEFAULT_INCUMBENT, "--incumbent")
    newcomer = _system(arguments.newcomer, "--newcomer") if arguments.newcomer else None
    if newcomer is not None and newcomer.name == incumbent.name:
        raise FacadeError(f"--newcomer {newcomer.name}: the incumbent has this name already")
    if arguments.output and Path(arguments.output).exists():
        raise _exists(arguments.output)
    survey = Survey()
    reader = LogReader(survey.count)
    read_logs(reader, arguments.logs)
    if not survey.requests:
        raise no_request(arguments.logs, reader, survey.not_found)
    table = first_table(survey, incumbent, newcomer)
    load(table.encode(), "the table that was made")
    if arguments.output:
        _write(arguments.output, table)
    if arguments.json:
        print_json(_report(survey, reader, table))
    elif not arguments.output:
        out().write(table)
    else:
        _print(out(), survey, reader, arguments.output)
    if arguments.incumbent is None:
        err().note(f"the monolith is said to be {_DEFAULT_INCUMBENT}: put its own address in")
    print_log_notes(err(), reader)
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


def _report(survey: Survey, reader: LogReader, table: str) -> dict[str, Any]:
    return {
        **log_members(reader),
        "requests": survey.requests,
        "not_found": survey.not_found,
        "hosts": dict(survey.hosts.most_common()),
        "seams": [_seam(seam, survey.requests) for seam in survey.seams()],
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
        "templates": [
            {
                "method": shape.method,
                "path": template_of(shape.path)[0],
                "requests": shape.requests,
                "example": example_of(shape.path),
            }
            for shape in seam.shapes[:_SHAPES_IN_JSON]
        ],
    }


def _print(screen: Screen, survey: Survey, reader: LogReader, file: str) -> None:
    rows = []
    for seam in survey.seams():
        row = _seam(seam, survey.requests)
        methods = ", ".join(f"{method} {count:,}" for method, count in row["methods"].items())
        errors = f"{100 * seam.errors / seam.requests:.1f} %"
        usual = row["templates"][0]
        example = f"{usual['method']} {usual['path']}"
        requests, share = f"{seam.requests:,}", f"{row['share']:.2f} %"
        rows.append((row["prefix"], requests, share, methods, errors, example))
    screen.table(("seam", "requests", "share", "methods", "5xx", "example"), rows)
    screen.line()
    screen.line(
        f"{safe(file)} is made, out of {survey.requests:,} requests ({formats_read(reader)}). "
        "`facade check` reads it."
    )
