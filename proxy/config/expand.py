"""The long form of a table: every short form expanded, every default written out."""

from typing import Any, ClassVar

import msgspec
import yaml
from yaml.nodes import ScalarNode

from proxy.config import to_error_bodies, to_model
from proxy.config.documents.backends import BackendDoc
from proxy.config.documents.errors import ErrorBodyDoc
from proxy.config.documents.table import TableDoc
from proxy.config.loader import parse_table
from proxy.config.path_rules import path_policy, without_parameters
from proxy.config.reader import read_tree
from proxy.config.scalars import scalar_value
from proxy.config.shorthand import long_backend, long_route
from proxy.config.units import format_duration, format_size
from proxy.model import Limits, Timeouts

_WIDTH = 10_000
_BACKEND_KEYS = tuple(BackendDoc.model_fields)


def expand(text: bytes, file: str = "routes.yaml") -> str:
    """The table in its long form, which parses to the same table. Raises TableError as `parse_table` does."""
    parse_table(text, file)
    table = TableDoc.model_validate(_long(read_tree(text, file).root))
    document = table.model_dump(by_alias=True, exclude_none=True)
    _write_defaults(document, table)
    return yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _long(root: dict[str, Any]) -> dict[str, Any]:
    value = {key: root[key] for key in root if not key.startswith("x-")}
    backends = value.get("backends", {})
    value["backends"] = {name: long_backend(backend) for name, backend in backends.items()}
    value["routes"] = [long_route(route) for route in value["routes"]]
    return value


def _write_defaults(document: dict[str, Any], table: TableDoc) -> None:
    """Write the effective timeouts, limits, path policies and error bodies into the defaults and into each route."""
    builder = to_model.RouteBuilder(table.defaults, {})
    document["defaults"]["timeouts"] = _timeouts(builder.timeouts)
    document["defaults"]["limits"] = _limits(builder.limits)
    document["defaults"]["path_policy"] = msgspec.to_builtins(builder.path_policy)
    names = ([ref.name for ref in route.backend_refs or ()] for route in table.routes)
    stripped = without_parameters(table.backends, names)
    for name, block in document["backends"].items():
        block["path_parameters"] = "strip" if name in stripped else "keep"
        document["backends"][name] = {key: block[key] for key in _BACKEND_KEYS if key in block}
    for block, route in zip(document["routes"], table.routes, strict=True):
        block["timeouts"] = _timeouts(to_model.timeouts(route.timeouts, builder.timeouts))
        block["limits"] = _limits(to_model.limits(route.limits, builder.limits))
        policy = path_policy(route.path_policy, builder.path_policy)
        block["path_policy"] = msgspec.to_builtins(policy)
        errors = to_error_bodies.laid_over(route.errors, table.defaults.errors)
        block["errors"] = {key: _error_body(doc) for key, doc in errors.items()}


def _error_body(doc: ErrorBodyDoc) -> dict[str, str]:
    written: dict[str, str] = doc.model_dump(exclude_none=True)
    effective = doc.effective_type()
    return written | {"content_type": effective} if effective else written


def _timeouts(timeouts: Timeouts) -> dict[str, str]:
    follows_request = timeouts.backend_request_s is None
    attempt = {} if follows_request else {"backend_request": format_duration(timeouts.attempt_s)}
    return {
        "connect": format_duration(timeouts.connect_s),
        "request": format_duration(timeouts.request_s),
        **attempt,
        "stream_idle": format_duration(timeouts.stream_idle_s),
        "body_idle": format_duration(timeouts.body_idle_s),
        "total": format_duration(timeouts.total_s),
        "tunnel_idle": format_duration(timeouts.tunnel_idle_s),
    }


def _limits(limits: Limits) -> dict[str, Any]:
    return {
        "max_header_bytes": format_size(limits.max_header_bytes),
        "max_headers": limits.max_headers,
        "max_uri_bytes": format_size(limits.max_uri_bytes),
        "max_body_bytes": format_size(limits.max_body_bytes),
        "min_body_rate": format_size(limits.min_body_rate),
    }


def _text(writer: yaml.SafeDumper, text: str) -> ScalarNode:
    """Quotes each text that would be read as another value without quotes."""
    plain = scalar_value(text) == text
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


class _Writer(yaml.SafeDumper):
    """Writes YAML that our rules for unquoted scalars read back as the same values."""

    yaml_representers: ClassVar[dict[Any, Any]] = {**yaml.SafeDumper.yaml_representers, str: _text}

    def ignore_aliases(self, data: Any) -> bool:
        return True
