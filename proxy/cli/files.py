"""Reading tables, with a sentence for a file that cannot be read."""

from pathlib import Path

from proxy.cli.output import safe
from proxy.config.load import Loaded, load
from proxy.control.table_bytes import read_table
from proxy.errors import FacadeError


def read_routes(file: str) -> bytes:
    """The bytes of a table. Raises FacadeError."""
    try:
        return read_table(Path(file))
    except OSError as error:
        raise unreadable(file, error, "name the route table's file") from None


def load_routes(file: str) -> Loaded:
    """A valid table. Raises FacadeError; TableError with every problem."""
    return load(read_routes(file), file)


def unreadable(file: str, error: OSError, hint: str) -> FacadeError:
    """The error for a file that cannot be read or written."""
    return FacadeError(f"facade: {safe(file)}: {error.strerror or error}: {hint}")
