"""The JSON Schema of the file, for editors."""

from typing import Any

from proxy.config.documents.table import TableDoc

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """A schema of draft 2020-12, short forms included. It lacks the rules between keys."""
    schema = TableDoc.model_json_schema()
    return {"$schema": _DIALECT, **schema, "title": "The route table of the facade"}
