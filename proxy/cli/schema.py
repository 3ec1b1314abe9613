"""`facade schema`: the JSON Schema of the route table, by which editors complete and check the file."""

import argparse
import json
from pathlib import Path

from proxy.cli.files import unreadable
from proxy.cli.output import add_json, out
from proxy.config.schema import json_schema


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Print the JSON Schema of the table. With the line "
        "`# yaml-language-server: $schema=FILE` at its top, editors complete the table."
    )
    command.add_argument("-o", "--output", metavar="FILE", help="write it there")
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the schema."""
    schema = schema_text()
    if arguments.output is None:
        out().write(schema)
        return 0
    try:
        Path(arguments.output).write_text(schema, encoding="utf-8")
    except OSError as error:
        raise unreadable(arguments.output, error, "name a file that can be written") from None
    return 0


def schema_text() -> str:
    """The schema as it is shipped: the same bytes for the same version of the table language."""
    return json.dumps(json_schema(), indent=2) + "\n"
