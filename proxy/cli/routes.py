"""`facade routes`: the table as people read it."""

import argparse
import json
from typing import Any

from proxy.cli.admin_client import add_live, get, not_an_admin
from proxy.cli.files import load_routes
from proxy.cli.output import add_json, out, print_json, safe
from proxy.routing.route_row import route_row

_HEADINGS = ("route", "takes", "stage", "goes to")


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Show the table as people read it: what each route takes, how far it has come, "
        "and where it sends it."
    )
    add_live(command)
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the table of a file, or the table in effect."""
    shown = _from_live(arguments) if arguments.live else _from_file(arguments.routes)
    if arguments.json:
        print_json(shown)
        return 0
    _print(shown, arguments.live or arguments.routes)
    return 0


def _from_file(file: str) -> dict[str, Any]:
    loaded = load_routes(file)
    table = loaded.table
    return {
        "routes": len(table.routes),
        "kill_switch": table.kill_switch,
        "table": [route_row(route) for route in table.routes],
    }


def _from_live(arguments: argparse.Namespace) -> dict[str, Any]:
    try:
        shown = json.loads(get(arguments, "/routes", []))
        return {"table_version": shown["table_version"], **shown, "table": list(shown["table"])}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise not_an_admin(arguments.live) from None


def _print(shown: dict[str, Any], where: str) -> None:
    screen = out()
    rows = []
    for row in shown["table"]:
        rows.append((row["name"], row["match"], row["stage"] or "-", _goes_to(row)))
    screen.table(_HEADINGS, rows)
    screen.line()
    screen.line(_summary(shown, where))
    if shown["kill_switch"]:
        text = "The kill switch is on: every route with a stage goes to its first backend."
        screen.line(screen.styled(text, "yellow", "bold"))
    if shown.get("last_error"):
        screen.line(
            screen.styled("The file is refused since, the last good table serves on:", "red")
        )
        for line in str(shown["last_error"]).splitlines():
            screen.line(f"  {safe(line)}")


def _goes_to(row: dict[str, Any]) -> str:
    backends = row["backends"]
    if len(backends) == 1:
        return str(next(iter(backends)))
    if backends:
        return ", ".join(f"{name} {weight:g} %" for name, weight in backends.items())
    if "redirect" in row:
        return f"redirect {row['redirect']}"
    return f"answer {row.get('direct_response', '-')}"


def _summary(shown: dict[str, Any], where: str) -> str:
    summary = f"{safe(where)}: {shown['routes']:,} route{'' if shown['routes'] == 1 else 's'}"
    if "table_version" in shown:
        summary += f", version {safe(str(shown['table_version']))}"
        summary += f", in effect for {_age(float(shown['table_age_seconds']))}"
    return summary


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
