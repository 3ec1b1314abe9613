"""YAML text to a RouteTable, or every problem at once with its place. Pure.

text -> reader (events, bounds, places) -> tree -> shorthand -> documents (types, rules of a block)
     -> rules, assumptions (rules between blocks) -> nouns
"""

from proxy.config.expand import expand
from proxy.config.loader import parse_table
from proxy.config.schema import json_schema

__all__ = ("expand", "json_schema", "parse_table")
