"""Edits of the table's text: shift, stage, rollback. Pure."""
