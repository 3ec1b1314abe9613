"""Checks of a whole table: its own tests, unreachable routes, expired entries. Pure."""
