"""Migrations of the PostgreSQL schema: the files in `sql/`, what applies them, and the commands about them."""
