"""Parses the YAML text of a table into a `RouteTable`, or reports every problem with its position. Pure.

text -> reader (events, bounds, positions) -> tree -> shorthand -> documents (types, rules of a block)
     -> rules, assumptions (rules between blocks) -> to_model
"""
