"""`facade export-cases`: recorded requests and the incumbent's responses, as a test file for the new service."""

import argparse
from pathlib import Path

import msgspec

from proxy.cli.admin_client import DEFAULT_URL, add_token_file, address, get_from, not_an_admin
from proxy.cli.files import unreadable
from proxy.cli.output import add_json, err, out, print_json, safe
from proxy.comparison.case_tests import written_tests
from proxy.comparison.cases import RecordedCases
from proxy.errors import FacadeError

_MAX_BYTES = 256 * 1024 * 1024


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Write the cases that a facade or `facade compare` has recorded as a pytest file: requests whose "
        "responses differed, and a sample of the others. It needs httpx and pytest only, takes the "
        "address from BASE_URL, passes on the incumbent, and has no secrets in it."
    )
    command.add_argument("route", metavar="ROUTE")
    source = command.add_mutually_exclusive_group()
    source.add_argument("--cases", metavar="FILE", help="what `facade compare --cases` has written")
    source.add_argument(
        "--admin",
        default=DEFAULT_URL,
        type=address,
        metavar="URL",
        help=f"the admin listener of a facade that mirrors the route ({DEFAULT_URL})",
    )
    add_token_file(command)
    command.add_argument("-o", dest="output", required=True, metavar="FILE", help="the test file")
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file."""
    recorded = _recorded(arguments)
    if not recorded.cases:
        source = safe(arguments.cases or arguments.admin)
        raise FacadeError(f"facade: {source} has no case of the route {arguments.route!r} yet")
    try:
        Path(arguments.output).write_text(written_tests(recorded, Path(arguments.output).name))
    except OSError as error:
        raise unreadable(arguments.output, error, "name a file that can be written") from None
    differed = sum(bool(case.places) for case in recorded.cases)
    if arguments.json:
        print_json({"file": arguments.output, "cases": len(recorded.cases), "differed": differed})
    else:
        name = safe(arguments.output)
        out().line(f"{name}: {len(recorded.cases):,} cases, {differed:,} of which differed")
        err().note(f"BASE_URL=http://127.0.0.1:8080 pytest {arguments.output}")
    return 0


def _recorded(arguments: argparse.Namespace) -> RecordedCases:
    if arguments.cases:
        recorded = _read(arguments.cases)
        if recorded.route != arguments.route:
            raise FacadeError(
                f"facade: {safe(arguments.cases)} has the cases of the route {recorded.route!r}, "
                f"not of {arguments.route!r}"
            )
        return recorded
    parameters = [("route", arguments.route)]
    text = get_from(arguments.admin, "/parity/cases", parameters, arguments.admin_token_file)
    try:
        return msgspec.json.decode(text, type=RecordedCases)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise not_an_admin(arguments.admin) from None


def _read(file: str) -> RecordedCases:
    try:
        with Path(file).open("rb") as stream:
            return msgspec.json.decode(stream.read(_MAX_BYTES), type=RecordedCases)
    except OSError as error:
        raise unreadable(file, error, "name what `facade compare --cases` has written") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FacadeError(
            f"facade: {safe(file)} has no cases: write it with `facade compare … --cases FILE`"
        ) from None
