"""The JSON Schema of the file, for editors."""

from typing import Any

from proxy.config.documents.table import TableDoc

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Draft 2020-12, short forms included. It knows shapes and words, not the rules between keys."""
    made = TableDoc.model_json_schema()
    return {"$schema": _DIALECT, **made, "title": "The route table of the facade"}
