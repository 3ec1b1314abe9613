"""`facade rollout`: walk a route through the steps of its rollout, judged by figures, with a way back."""

import argparse
import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from proxy.cli.edit_options import DEFAULT_ROUTES, add_json, routes_path, user
from proxy.cli.output import out
from proxy.cli.rollout_output import JsonObserver, LineObserver, LiveObserver, print_status
from proxy.control.atomic_file import resolve_links
from proxy.control.history.entries import version_of
from proxy.control.rollout import commands
from proxy.control.rollout.commands import Command, run_command
from proxy.control.rollout.state import StateReader
from proxy.errors import EditError
from proxy.server.settings import DEFAULT_ADMIN, token_text

_COMMANDS: Mapping[str, tuple[Command, str]] = {
    "pause": (commands.pause, "is paused"),
    "resume": (commands.resume, "goes on with its step"),
    "promote": (commands.promote, "goes on behind its step"),
    "abort": (commands.abort, "is aborted"),
}
_PURPOSES = {
    "run": "take the steps; exit status 0: completed, 4: rolled back, 5: paused for a person",
    "status": "how far it is",
    "pause": "stay at this step",
    "resume": "go on with a step that was paused",
    "promote": "go on behind a pause or an analysis",
    "abort": "end it, and return as after a failure",
}


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    actions = command.add_subparsers(dest="rollout_command", required=True, metavar="ACTION")
    for name, purpose in _PURPOSES.items():
        action = actions.add_parser(name, help=purpose, description=purpose)
        action.add_argument("route", metavar="ROUTE")
        action.add_argument(
            "--routes", default=DEFAULT_ROUTES, metavar="FILE", help="the route table"
        )
        add_json(action)
        if name != "status":
            action.add_argument(
                "--who", metavar="NAME", help="who, instead of the user of this system"
            )
        if name in _COMMANDS:
            action.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
        if name in ("run", "abort"):
            action.add_argument(
                "--apply", default="", metavar="CMD",
                help="give the new table to this command, on its standard input",
            )  # fmt: skip
    _add_run(actions.choices["run"])
    command.set_defaults(run=run)


def _add_run(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--admin", action="append", type=_url, metavar="URL",
        help=f"the admin listener; every address behind its name counts; repeatable (http://{DEFAULT_ADMIN})",
    )  # fmt: skip
    action.add_argument(
        "--admin-token-file", default=os.environ.get("FACADE_ADMIN_TOKEN_FILE"), metavar="FILE",
        help="what holds the token that the admin listeners ask for",
    )  # fmt: skip
    action.add_argument("--wait", action="store_true", help="wait at a pause, instead of ending")
    action.add_argument(
        "--restart", action="store_true", help="begin again after a rollback, an abort or the end"
    )


def _url(text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "http" and parts.hostname and (parts.port or 80)
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address: write one like http://{DEFAULT_ADMIN}"
        )
    return url.rstrip("/")


def run(arguments: argparse.Namespace) -> int:
    """Run one of the actions."""
    name: str = arguments.rollout_command
    if name == "run":
        return asyncio.run(_run(arguments))
    if name == "status":
        state = StateReader(resolve_links(routes_path(arguments)), arguments.routes).read()
        print_status(state, arguments.route, as_json=arguments.json)
        return 0
    return _command(arguments, name)


async def _run(arguments: argparse.Namespace) -> int:
    # Imported here: httpx takes 100 ms, and no other action needs it.
    from proxy.control.rollout.admins import Admins
    from proxy.control.rollout.runner import Runner, RunOptions

    options = RunOptions(
        routes_path(arguments),
        arguments.route,
        _who(arguments),
        arguments.restart,
        arguments.wait,
        arguments.apply,
    )
    file = arguments.admin_token_file
    token = token_text(Path(file)) if file else ""
    urls = tuple(arguments.admin or (f"http://{DEFAULT_ADMIN}",))
    observer = _observer(as_json=arguments.json)
    async with Admins(urls, token) as admins:
        with observer:
            return await Runner(options, admins, observer).run()


def _observer(*, as_json: bool) -> JsonObserver | LineObserver | LiveObserver:
    if as_json:
        return JsonObserver()
    return LiveObserver() if out().is_terminal else LineObserver()


def _command(arguments: argparse.Namespace, name: str) -> int:
    command, result = _COMMANDS[name]
    path = routes_path(arguments)
    done = run_command(path, arguments.route, _who(arguments), arguments.reason, command)
    if name == "abort" and arguments.apply:
        from proxy.control.rollout.apply import apply

        asyncio.run(apply(arguments.apply, done.after))
    if arguments.json:
        body = {"route": arguments.route, "action": name, "version": version_of(done.after)}
        print(msgspec.json.encode(body).decode())
    else:
        print(f"the rollout of {arguments.route} {result}")
    return 0


def _who(arguments: argparse.Namespace) -> str:
    who: str = user() if arguments.who is None else arguments.who
    if not who.isprintable() or len(who) > 500:
        raise EditError("--who takes one line of at most 500 characters")
    return who
