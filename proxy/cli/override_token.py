"""`facade override-token`: a token with which its holder chooses a backend of a route for a while."""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import PydanticCustomError

from proxy.cli.files import load_routes
from proxy.cli.output import out, safe
from proxy.config.faults import did_you_mean
from proxy.config.units import Duration
from proxy.control.key_files import read_key
from proxy.errors import FacadeError
from proxy.model import Override, Route
from proxy.routing.override import override_token

_TTL = Duration("1s", "30d")


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Print a token for the `override` of a route. It is signed with the key in its `token_key_file`, so "
        "whoever has the key can make one. The kill switch wins over it."
    )
    command.add_argument("route", metavar="ROUTE")
    command.add_argument("backend", metavar="BACKEND")
    command.add_argument(
        "--ttl",
        default="1h",
        metavar="DURATION",
        help="how long it is valid, up to 30d; 1h if not given",
    )
    command.add_argument("--routes", default="routes.yaml", metavar="FILE", help="the table")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the token on standard output, and how to send it on standard error."""
    table = load_routes(arguments.routes).table
    routes = {route.name: route for route in table.routes}
    route = routes.get(arguments.route)
    if route is None:
        hint = did_you_mean(arguments.route, routes)
        raise FacadeError(f"there is no route {arguments.route!r}: {hint}")
    override, key_file = _override(route)
    backends = [ref.backend for ref in route.backend_refs]
    if arguments.backend not in backends:
        raise FacadeError(
            f"{route.name} has no backend {arguments.backend!r}: it has {', '.join(backends)}"
        )
    expires_s = int(time.time() + _read_ttl(arguments.ttl))
    key = read_key(Path(arguments.routes).absolute().parent / key_file)
    out().line(override_token(key, route.name, arguments.backend, expires_s))
    until = datetime.fromtimestamp(expires_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    print(f"send it as the {override.kind} {safe(override.name)}, until {until}", file=sys.stderr)
    return 0


def _override(route: Route) -> tuple[Override, str]:
    """The override of a route and its key file. Raises FacadeError."""
    override = route.override
    if override is None:
        raise FacadeError(f"{route.name} has no `override`: add one with a `token_key_file`")
    if override.token_key_file is None:
        raise FacadeError(f"the override of {route.name} takes no tokens: add a `token_key_file`")
    return override, override.token_key_file


def _read_ttl(text: str) -> float:
    try:
        return _TTL.read(text)
    except PydanticCustomError as error:
        context = error.context or {}
        raise FacadeError(f"--ttl: {context['text']}: {context['hint']}") from None
