"""A whole table that is edited. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from proxy.config.faults import did_you_mean
from proxy.config.load import Loaded, load
from proxy.control.changes import Changes, changes_between
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.splices import Splice, spliced
from proxy.control.edits.yaml_nodes import Document, read_document
from proxy.errors import EditError, TableError
from proxy.model import Route, RouteTable


class ParsedTable(Struct, frozen=True):
    """A text that loads, and its table."""

    text: bytes
    file: str
    loaded: Loaded

    @property
    def table(self) -> RouteTable:
        return self.loaded.table

    @property
    def kill_switch(self) -> bool:
        return self.loaded.table.kill_switch

    @property
    def nodes(self) -> int | None:
        """Its keys and values; None if its routes cannot be read one by one."""
        return None if self.loaded.known is None else self.loaded.known.nodes

    def route(self, name: str) -> Route:
        """Raises EditError for a name that no route has."""
        for route in self.table.routes:
            if route.name == name:
                return route
        hint = did_you_mean(name, [route.name for route in self.table.routes])
        raise EditError(f"there is no route `{name}`: {hint}")

    def document(self, name: str | None) -> Document:
        """The nodes of the text. `name` is the route that is edited."""
        return read_document(self.text, name)

    def edited(
        self, document: Document, splices: Sequence[Splice], intended: Changes
    ) -> EditedTable:
        """The new text. Raises EditError unless it loads, and changes `intended` and nothing else."""
        text = spliced(self.text, document, splices)
        try:
            loaded = load(text, self.file, self.loaded)
        except TableError as error:
            raise EditError(
                f"the table would not load so, and nothing was written:\n{error}"
            ) from None
        if changes_between(self.table, loaded.table) != intended:
            raise EditError(
                "the edit cannot be made in place without changing something else, and nothing was "
                "written: edit the table by hand"
            )
        after = ParsedTable(text, self.file, loaded)
        return EditedTable(text, loaded.table.kill_switch, intended, after.nodes)


def parsed_table(text: bytes, file: str) -> ParsedTable:
    """Raises TableError for a text that the facade would not load."""
    return ParsedTable(text, file, load(text, file))
