"""Small tables in text, for tests of edits."""

from proxy.control.edits.editable import EditedTable
from proxy.control.edits.parsed_table import ParsedTable, parsed_table

HEAD = "version: 1\nbackends: {legacy: http://a:1, new: http://b:1, third: http://c:1}\nroutes:\n"
REST = "  - name: rest\n    backend_refs: legacy\n"


def parsed(text: str | bytes) -> ParsedTable:
    return parsed_table(text.encode() if isinstance(text, str) else text, "routes.yaml")


def table(refs: str, stage: str = "") -> str:
    """A table whose route `r` has these lines for its references, and `rest` behind it."""
    line = f"    stage: {stage}\n" if stage else ""
    return f"{HEAD}  - name: r\n{line}    match: {{path: {{prefix: /r}}}}\n{refs}{REST}"


def after(edited: EditedTable | None) -> str:
    assert edited is not None
    return edited.text.decode()


FLOW = "    backend_refs: {{legacy: {}, new: {}}}  # the split\n"
BLOCK = "    backend_refs:\n      legacy:   {} # old\n      new: {}\n"
