"""`facade explain`: the route and backend of one request, and why other routes do not take it."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from proxy.cli.admin_client import add_live, get, not_an_admin
from proxy.cli.files import read_routes
from proxy.cli.output import Screen, add_json, err, out, print_json, safe
from proxy.config.load import load
from proxy.control.key_files import load_key_files
from proxy.control.table_file import snapshot_of
from proxy.errors import FacadeError, TableError
from proxy.routing.explain import explain
from proxy.routing.explanation import Explanation, OtherRoute, PossibleDecision
from proxy.routing.request_spec import read_request_spec
from proxy.routing.snapshot import Snapshot
from proxy.upstream.affinity import endpoint_of

_FEW = 10


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
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
    """Explain one request by the table of a file, or by the table in effect."""
    # With --live, too: mistakes in the arguments are reported without a running facade.
    spec = read_request_spec(
        arguments.method, arguments.url, arguments.headers, arguments.client, arguments.bucket
    )
    if arguments.live:
        explanation = _explain_live(arguments)
    else:
        text = read_routes(arguments.routes)
        loaded, now_s = load(text, arguments.routes), time.time()
        snapshot = _with_keys(snapshot_of(loaded, text, {}, now_s), arguments.routes)
        explanation = explain(snapshot, spec, now_s, endpoint_of)
    if arguments.json:
        print_json(msgspec.to_builtins(explanation))
        return 0
    _print(out(), explanation, arguments.live or arguments.routes, arguments.all)
    return 0


def _with_keys(snapshot: Snapshot, file: str) -> Snapshot:
    """The snapshot with the keys of its table, if they can be read: they verify tokens and cookies."""
    try:
        loaded = load_key_files(snapshot.table.key_files, Path(file))
    except TableError as error:
        err().line(
            f"no token or signed cookie is valid here: {safe(error.problems[0].text)}", "yellow"
        )
        return snapshot
    return replace(snapshot, table=replace(snapshot.table, keys=loaded.keys))


def _explain_live(arguments: argparse.Namespace) -> Explanation:
    parameters = [
        ("method", arguments.method),
        ("url", arguments.url),
        ("client", arguments.client),
        *(("header", header) for header in arguments.headers),
    ]
    if arguments.bucket is not None:
        parameters.append(("bucket", arguments.bucket))
    try:
        return msgspec.json.decode(get(arguments, "/explain", parameters), type=Explanation)
    except msgspec.DecodeError:
        raise not_an_admin(arguments.live) from None
    except UnicodeEncodeError:
        raise FacadeError(
            "facade: a running facade can be asked only about text: write other bytes percent-encoded"
        ) from None


# --- text -------------------------------------------------------------------------------------------


def _print(screen: Screen, explanation: Explanation, where: str, show_all: bool) -> None:
    screen.fact("request", f"{explanation.method} {explanation.target}")
    screen.fact("host", explanation.host or "-")
    screen.fact("client", explanation.client)
    screen.fact("table", f"{where}, version {explanation.table}")
    if explanation.kill_switch:
        screen.fact("", "the kill switch is on", "yellow")
    screen.line()
    if explanation.route is None:
        screen.fact(
            "answer",
            f"{explanation.status} {explanation.reason}, by the facade itself",
            "red",
            "bold",
        )
        screen.fact("", explanation.detail)
    else:
        _print_route(screen, explanation, explanation.route)
    if explanation.cors:
        screen.fact("cors", explanation.cors)
    for number, each in enumerate(explanation.errors):
        screen.fact("" if number else "errors", each)
    for reading in explanation.readings:
        where = f"{reading.path} leads to {reading.route or 'no route'}"
        screen.fact("reading", where if reading.counts else f"{where}, and does not count")
    for decision in explanation.ways:
        screen.line()
        _print_decision(screen, decision, explanation.method)
    _print_others(screen, explanation.others, show_all)


def _print_route(screen: Screen, explanation: Explanation, name: str) -> None:
    screen.fact("route", name, "bold")
    screen.fact("", f"{_place(explanation)}{explanation.match}")
    if explanation.stage is not None:
        screen.fact("stage", explanation.stage)
    if explanation.cohort:
        screen.fact("cohort", explanation.cohort)
    if explanation.path_policy:
        screen.fact("paths", f"path_policy {', '.join(explanation.path_policy)}")
    for number, each in enumerate(explanation.recovery):
        screen.fact("" if number else "attempts", each)


def _place(explanation: Explanation) -> str:
    """The line of the route, and the number of the match if it has several."""
    line = f"line {explanation.line}, " if explanation.line else ""
    several = explanation.matches > 1
    number = f"match {explanation.match_number} of {explanation.matches}, " if several else ""
    return f"{line}{number}takes " if line or number else ""


def _print_decision(screen: Screen, decision: PossibleDecision, method: str) -> None:
    if decision.backend is None:
        screen.fact(
            "answer", f"{decision.status}, by the facade itself ({decision.reason})", "bold"
        )
    else:
        # After a fallback the share is that of the backend that was chosen first.
        share = "" if decision.instead_of else _share(decision)
        screen.fact("backend", f"{decision.backend} ({decision.reason}){share}", "bold")
        _print_first(screen, decision)
    if decision.detail:
        screen.fact("answer", f"{decision.status}: {decision.detail}", "red")
    for number, url in enumerate(decision.urls):
        screen.fact("or" if number else "asks", f"{method} {url}")
    if decision.endpoint is not None:
        screen.fact("endpoint", f"{decision.endpoint}, by the cookie of session_affinity")
    _print_health(screen, decision)
    fields = (
        decision.headers if decision.host is None else (("host", decision.host), *decision.headers)
    )
    for number, (name, value) in enumerate(fields):
        screen.fact("" if number else "headers", f"{name}: {value}")
    if decision.backend is not None:
        _print_rules(screen, decision)


def _share(decision: PossibleDecision) -> str:
    """Which requests of the route have the backend that was chosen."""
    share = ""
    if decision.buckets is not None:
        start, end = decision.buckets
        share = f", {decision.share:g} % of its requests: buckets from {start:g} to below {end:g}"
    if decision.bucket is not None:
        share += f"; this request has bucket {decision.bucket:g}"
    return share


def _print_rules(screen: Screen, decision: PossibleDecision) -> None:
    """What holds for the requests and responses of the backend."""
    if decision.cookies:
        screen.fact("cookies", f"it receives and may set {decision.cookies}")
    if decision.mapped_back:
        screen.fact("replies", decision.mapped_back)
    if decision.fallback:
        screen.fact("fallback", decision.fallback)
    to = ", ".join(decision.mirrored_to)
    screen.fact("mirror", f"{to}: {decision.mirror}" if to else "none")


def _print_first(screen: Screen, decision: PossibleDecision) -> None:
    if decision.instead_of:
        screen.fact("first", f"{decision.instead_of}{_share(decision)}", "yellow")


def _print_health(screen: Screen, decision: PossibleDecision) -> None:
    if decision.breaker is not None:
        screen.fact("breaker", decision.breaker, "green" if decision.breaker == "closed" else "red")
    for each in decision.health:
        screen.fact("", each, "yellow")


def _print_others(screen: Screen, others: Sequence[OtherRoute], show_all: bool) -> None:
    if not others:
        return
    # The nearest come first.
    shown = others if show_all else others[:_FEW]
    screen.line()
    screen.line(screen.styled("other routes", "bold"))
    screen.table(("route", "why not"), [(other.name, other.why) for other in shown])
    if hidden := len(others) - len(shown):
        screen.line(f"and {hidden:,} more; --all shows them")
