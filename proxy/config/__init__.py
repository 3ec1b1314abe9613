"""Parses the YAML text of a table into a `RouteTable`, or reports every problem with its position. Pure.

text -> reader (events, bounds, positions) -> tree -> shorthand -> documents (types, rules of a block)
     -> rules, assumptions (rules between blocks) -> to_model
"""

from proxy.config.expand import expand
from proxy.config.loader import parse_table
from proxy.config.schema import json_schema

__all__ = ("expand", "json_schema", "parse_table")
