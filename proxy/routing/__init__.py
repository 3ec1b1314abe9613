"""The rules of a table: facts, match, decide, explain. Pure."""
