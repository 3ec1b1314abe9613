"""`facade explain`: where one request goes, and why it goes nowhere else."""

import argparse
import time
from collections.abc import Sequence

import msgspec

from proxy.cli.admin_client import add_live, ask, not_an_admin
from proxy.cli.files import read_routes
from proxy.cli.output import Screen, add_json, out, print_json
from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from proxy.errors import FacadeError
from proxy.routing.explain import Explanation, OtherRoute, PossibleDecision, explain
from proxy.routing.request_spec import read_request_spec

_FEW = 10


def register(command: argparse.ArgumentParser) -> None:
    """Say what the command is for and what it takes."""
    command.description = (
        "Say which route takes a request and where it goes; for each other route, the "
        "first thing that does not hold. Live traffic goes through the same functions."
    )
    command.add_argument("method", metavar="METHOD")
    command.add_argument("url", metavar="URL", help="a path, or an absolute URL")
    command.add_argument("-H", dest="headers", action="append", default=[], metavar="'NAME: VALUE'")
    command.add_argument("--bucket", metavar="12.34", help="the draw, from 0 to below 100")
    command.add_argument("--client", default="127.0.0.1", metavar="ADDRESS", help="who asks")
    command.add_argument("--all", action="store_true", help="show every other route")
    add_live(command)
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Explain one request, by a file's table or the one in effect."""
    # The command line's own faults are told here, also where a running facade is asked.
    asked = read_request_spec(
        arguments.method, arguments.url, arguments.headers, arguments.client, arguments.bucket
    )
    if arguments.live:
        explanation = _ask(arguments)
    else:
        text = read_routes(arguments.routes)
        loaded = load(text, arguments.routes)
        explanation = explain(snapshot_of(loaded, text, {}, time.time()), asked)
    if arguments.json:
        print_json(msgspec.to_builtins(explanation))
        return 0
    _print(out(), explanation, arguments.live or arguments.routes, arguments.all)
    return 0


def _ask(arguments: argparse.Namespace) -> Explanation:
    parameters = [
        ("method", arguments.method),
        ("url", arguments.url),
        ("client", arguments.client),
        *(("header", header) for header in arguments.headers),
    ]
    if arguments.bucket is not None:
        parameters.append(("bucket", arguments.bucket))
    try:
        return msgspec.json.decode(ask(arguments, "/explain", parameters), type=Explanation)
    except msgspec.DecodeError:
        raise not_an_admin(arguments.live) from None
    except UnicodeEncodeError:
        raise FacadeError(
            "facade: a running facade can be asked only about text: write other bytes percent-encoded"
        ) from None


# --- as people read it ------------------------------------------------------------------------------


def _print(screen: Screen, said: Explanation, where: str, everything: bool) -> None:
    screen.fact("request", f"{said.method} {said.target}")
    screen.fact("host", said.host or "-")
    screen.fact("client", said.client)
    screen.fact("table", f"{where}, version {said.table}")
    if said.kill_switch:
        screen.fact("", "the kill switch is on", "yellow")
    screen.line()
    if said.route is None:
        screen.fact("answer", f"{said.status} {said.reason}, by the facade itself", "red", "bold")
        screen.fact("", said.detail)
    else:
        screen.fact("route", said.route, "bold")
        screen.fact("", f"line {said.line}, takes {said.match}" if said.line else said.match)
        if said.stage is not None:
            screen.fact("stage", said.stage)
        if said.not_obeyed:
            screen.fact("", f"not obeyed yet: {', '.join(said.not_obeyed)}", "yellow")
    for reading in said.readings:
        screen.fact("reading", f"{reading.path} leads to {reading.route or 'no route'}")
    for way in said.ways:
        screen.line()
        _print_way(screen, way, said.method)
    _print_others(screen, said.others, everything)


def _print_way(screen: Screen, way: PossibleDecision, method: str) -> None:
    if way.backend is None:
        screen.fact("answer", f"{way.status}, by the facade itself ({way.reason})", "bold")
    else:
        drawn = ""
        if way.buckets is not None:
            start, end = way.buckets
            drawn = f", {way.share:g} % of its requests: buckets from {start:g} to below {end:g}"
        screen.fact("backend", f"{way.backend} ({way.reason}){drawn}", "bold")
    if way.detail:
        screen.fact("answer", f"{way.status}: {way.detail}", "red")
    for number, url in enumerate(way.urls):
        screen.fact("or" if number else "asks", f"{method} {url}")
    fields = way.headers if way.host is None else (("host", way.host), *way.headers)
    for number, (name, value) in enumerate(fields):
        screen.fact("" if number else "headers", f"{name}: {value}")
    if way.cookies:
        screen.fact("cookies", f"it receives and may set {way.cookies}")
    if way.backend is not None:
        screen.fact("mirror", ", ".join(way.mirrored_to) or "none")


def _print_others(screen: Screen, others: Sequence[OtherRoute], everything: bool) -> None:
    if not others:
        return
    # The nearest come first.
    shown = others if everything else others[:_FEW]
    screen.line()
    screen.line(screen.styled("other routes", "bold"))
    screen.table(("route", "why not"), [(other.name, other.why) for other in shown])
    if hidden := len(others) - len(shown):
        screen.line(f"and {hidden:,} more; --all shows them")
