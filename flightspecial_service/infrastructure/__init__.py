"""Adapters: PostgreSQL, its migrations, AWS. The use cases see only the ports."""
