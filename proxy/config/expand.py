"""The canonical long form: every short form expanded, every default written out."""

from typing import Any, ClassVar

import yaml
from yaml.nodes import ScalarNode

from proxy.config import to_model
from proxy.config.documents.table import TableDoc
from proxy.config.loader import parse_table
from proxy.config.reader import read_tree
from proxy.config.scalars import resolve
from proxy.config.shorthand import long_backend, long_route
from proxy.config.units import format_duration, format_size
from proxy.model import Limits, Timeouts

_WIDTH = 10_000


def expand(text: bytes, file: str = "routes.yaml") -> str:
    """YAML that says the same at length; it parses to the same table. Raises TableError as `parse_table`."""
    parse_table(text, file)
    table = TableDoc.model_validate(_long(read_tree(text, file).root))
    said = table.model_dump(by_alias=True, exclude_none=True)
    _write_defaults(said, table)
    return yaml.dump(said, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _long(root: dict[str, Any]) -> dict[str, Any]:
    value = {key: root[key] for key in root if not key.startswith("x-")}
    backends = value.get("backends", {})
    value["backends"] = {name: long_backend(backend) for name, backend in backends.items()}
    value["routes"] = [long_route(route) for route in value["routes"]]
    return value


def _write_defaults(said: dict[str, Any], table: TableDoc) -> None:
    """Timeouts and limits as they hold, in the defaults and in each route."""
    maker = to_model.Maker(table.defaults, {})
    said["defaults"]["timeouts"] = _timeouts(maker.timeouts)
    said["defaults"]["limits"] = _limits(maker.limits)
    for written, route in zip(said["routes"], table.routes, strict=True):
        written["timeouts"] = _timeouts(to_model.timeouts(route.timeouts, maker.timeouts))
        written["limits"] = _limits(to_model.limits(route.limits, maker.limits))


def _timeouts(hold: Timeouts) -> dict[str, str]:
    return {
        "connect": format_duration(hold.connect_s),
        "request": format_duration(hold.request_s),
        "backend_request": format_duration(hold.backend_request_s),
        "stream_idle": format_duration(hold.stream_idle_s),
        "body_idle": format_duration(hold.body_idle_s),
        "total": format_duration(hold.total_s),
    }


def _limits(hold: Limits) -> dict[str, Any]:
    return {
        "max_header_bytes": format_size(hold.max_header_bytes),
        "max_headers": hold.max_headers,
        "max_uri_bytes": format_size(hold.max_uri_bytes),
        "max_body_bytes": format_size(hold.max_body_bytes),
        "min_body_rate": format_size(hold.min_body_rate),
    }


def _text(writer: yaml.SafeDumper, text: str) -> ScalarNode:
    """Each text that would be read as something else without is quoted."""
    plain = resolve(text) == text
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


class _Writer(yaml.SafeDumper):
    """YAML that reads back as the same by our own rules for unquoted scalars."""

    yaml_representers: ClassVar[dict[Any, Any]] = {**yaml.SafeDumper.yaml_representers, str: _text}

    def ignore_aliases(self, data: Any) -> bool:
        return True
