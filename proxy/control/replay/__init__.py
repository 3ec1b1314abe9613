"""Recorded traffic through a table: what a change would move, and a first table. Pure."""
